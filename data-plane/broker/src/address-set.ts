import { BlockList, isIPv4, isIPv6 } from 'node:net';

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/** Addresses and CIDR blocks, IPv4 and IPv6; an IPv4-mapped IPv6 address counts as its IPv4 one. */
export class AddressSet {
  readonly #list = new BlockList();
  #count = 0;

  constructor(blocks: Iterable<string> = []) {
    for (const block of blocks) this.add(block);
  }
  get isEmpty(): boolean {
    return this.#count === 0;
  }
  /** Adds an address or `address/prefix length`; false when the text is neither. */
  add(block: string): boolean {
    const slash = block.indexOf('/');
    const address = plainAddress(slash < 0 ? block : block.slice(0, slash));
    const family = familyOf(address);
    if (family === null) return false;
    if (slash < 0) this.#list.addAddress(address, family);
    else {
      const text = block.slice(slash + 1);
      const length = Number(text);
      if (!/^[0-9]{1,3}$/.test(text) || length > (family === 'ipv4' ? 32 : 128)) return false;
      this.#list.addSubnet(address, length, family);
    }
    this.#count++;
    return true;
  }
  /** False for text that is no address. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    const family = familyOf(plain);
    return family !== null && this.#count > 0 && this.#list.check(plain, family);
  }
}

/** Whether the text is an address or a CIDR block. */
export function isAddressBlock(block: string): boolean {
  return new AddressSet().add(block);
}

function plainAddress(text: string): string {
  const mapped = MAPPED.exec(text);
  if (mapped !== null) return mapped[1]!;
  const zone = text.indexOf('%');
  return zone < 0 ? text : text.slice(0, zone);
}
function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  if (isIPv4(address)) return 'ipv4';
  return isIPv6(address) ? 'ipv6' : null;
}
