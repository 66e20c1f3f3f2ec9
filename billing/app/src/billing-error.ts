/** Every way billing refuses; the HTTP status is what its one caller, the control plane's API, sees. */
export const BILLING_ERRORS = {
  'config-invalid': 500,
  'socket-in-use': 500,
  unauthenticated: 401,
  'not-found': 404,
  'validation-failed': 400,
  conflict: 409,
  'price-unusable': 500,
  'usage-unplaced': 500,
  'gateway-refused': 502,
  'gateway-differs': 502,
  'signature-invalid': 400,
} as const;
export type BillingErrorCode = keyof typeof BILLING_ERRORS;

export class BillingError extends Error {
  readonly code: BillingErrorCode;

  constructor(code: BillingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BillingError';
    this.code = code;
  }

  get status(): number {
    return BILLING_ERRORS[this.code];
  }
}
