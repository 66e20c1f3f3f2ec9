import { REFUSALS, type Refusal, type RefusalCode } from './broker-types.ts';

/** A refusal; `detail` is added to the code's sentence and may be shown to the client. */
export function refuse(code: RefusalCode, detail?: string): Refusal {
  return { refused: code, message: detail === undefined ? REFUSALS[code] : `${REFUSALS[code]}: ${detail}` };
}

/** Whether an outcome is a refusal. */
export function isRefusal(outcome: object): outcome is Refusal {
  return 'refused' in outcome;
}
