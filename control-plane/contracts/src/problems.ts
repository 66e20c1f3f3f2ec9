import { z } from 'zod';

/** Every error code of the REST API with its HTTP status. `type` of a problem is `/problems/<code>` (RFC 9457). */
export const PROBLEM_STATUS = {
  'bad-request': 400,
  'validation-failed': 400,
  unauthenticated: 401,
  'invalid-login': 401,
  'mfa-code-required': 401,
  'billing-suspended': 402,
  forbidden: 403,
  'mfa-setup-required': 403,
  'step-up-required': 403,
  'sso-required': 403,
  'sso-refused': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  conflict: 409,
  'name-taken': 409,
  'idempotency-in-flight': 409,
  'idempotency-key-reused': 422,
  'quota-exceeded': 422,
  'precondition-failed': 412,
  'payload-too-large': 413,
  'unsupported-media-type': 415,
  'precondition-required': 428,
  'too-many-requests': 429,
  internal: 500,
  unavailable: 503,
} as const;
export type ProblemCode = keyof typeof PROBLEM_STATUS;

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  code: z.string(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;
