import { z } from 'zod';
import { AgentEndpoints } from '../desired.ts';

/** `POST /v1/operator/join-tokens` (operator token) → 201; the token is shown this once and works once. */
export const CreateJoinTokenBody = z.object({
  region: z.string().min(1).max(63).default('local'),
  ttlSeconds: z.int().min(1).max(86_400).default(900),
});
export const JoinTokenCreated = z.object({ token: z.string(), expiresAt: z.iso.datetime() });
export type JoinTokenCreated = z.infer<typeof JoinTokenCreated>;

/** `GET /v1/operator/agents` (operator token) */
export const OperatorAgent = z.object({
  id: z.string(),
  region: z.string(),
  /** True while its stream, or its polling, is alive. */
  connected: z.boolean(),
  epoch: z.int(),
  version: z.string(),
  /** Null until its first Hello. */
  endpoints: AgentEndpoints.nullable(),
  lastSeenAt: z.iso.datetime().nullable(),
});
export const OperatorAgents = z.object({ items: z.array(OperatorAgent) });
export type OperatorAgents = z.infer<typeof OperatorAgents>;
