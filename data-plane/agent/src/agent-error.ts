/** Every way the agent refuses or gives up, and what it means. `main.ts` prints the message of a fatal one and exits with 1. */
export const AGENT_ERRORS = {
  'config-invalid': 'the environment does not describe an agent',
  'not-enrolled': 'no identity on disk and no join token to get one with',
  'enrolment-refused': 'the control plane refused the join token',
  'link-refused': 'the control plane refused a call; trying again later may help',
  'link-unavailable': 'the control plane cannot be reached',
  'link-untrusted': 'somebody answers who cannot prove to be the control plane; nothing was said to them',
  'state-unverified': 'a desired state whose signature, shape, agent or version is wrong',
  'identity-damaged': 'the identity files cannot be read',
  'node-start-failed': 'a node ended before it was ready',
  'node-port-in-use': 'a node could not listen on one of its ports',
  'node-unreachable': 'a node does not answer on its admin socket',
  'node-refused': 'a node refused an admin request',
  'release-refused': 'a version of the node cannot be used: signature, digest, file or content',
  'spool-full': 'the usage spool has reached its limit; windows stay at the nodes',
  'spool-failed': 'the usage spool cannot be written',
} as const;
export type AgentErrorCode = keyof typeof AGENT_ERRORS;

/** An expected failure: `code` for programs, `message` one sentence for people. */
export class AgentError extends Error {
  readonly code: AgentErrorCode;
  /** With `node-refused`: the node's own code. */
  readonly refusal: string | undefined;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions & { refusal?: string | undefined }) {
    super(message, options);
    this.name = 'AgentError';
    this.code = code;
    this.refusal = options?.refusal;
  }
}

/** The sentence to log or report for anything that was thrown. */
export const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
