/** Every way meta refuses a command or fails to start, by code. */
export const META_ERRORS = {
  'namespace-unknown': 'there is no such namespace',
  'namespace-name-taken': 'another namespace has this name',
  'namespace-default-taken': 'another namespace is the default one',
  'topic-unknown': 'there is no such topic',
  'topic-exists': 'the topic exists already',
  'session-unknown': 'there is no such session',
  'session-number-taken': 'another session of the namespace has this number',
  'command-invalid': 'the command does not have the shape of its kind',
  'log-corrupt': 'the command log holds an entry that cannot be read',
  closed: 'meta is not started or was closed',
} as const;
export type MetaErrorCode = keyof typeof META_ERRORS;

/** A refused command or an unreadable log. `subject` names what it was about. */
export class MetaError extends Error {
  readonly code: MetaErrorCode;
  readonly subject: string;
  constructor(code: MetaErrorCode, subject: string, options?: { cause?: unknown }) {
    super(`${META_ERRORS[code]} (${subject})`, options);
    this.name = 'MetaError';
    this.code = code;
    this.subject = subject;
  }
}
