import { CreateApiKeyBody } from '@robustmq/contracts';

const Addresses = CreateApiKeyBody.shape.addresses;

/** Addresses and blocks of a text, split at spaces, commas and line ends. */
export const addressesOf = (text: string): string[] => text.split(/[\s,]+/).filter((part) => part !== '');

/** What is wrong with the addresses, by the API's own rule; undefined when nothing is. */
export function addressFault(text: string): string | undefined {
  const addresses = addressesOf(text);
  const wrong = addresses.find((address) => !Addresses.safeParse([address]).success);
  if (wrong !== undefined) return `"${wrong}" is no address and no CIDR block`;
  return Addresses.safeParse(addresses).success ? undefined : 'That is too many addresses';
}
