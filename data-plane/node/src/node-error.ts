/** Every way a node can refuse to start or to do what its admin asks, by code. */
export const NODE_ERRORS = {
  'config-unreadable': 'the configuration file cannot be read',
  'config-invalid': 'the configuration is not valid',
  'port-in-use': 'another program listens on the port',
  'port-denied': 'the operating system does not let this user listen on the port',
  'host-unknown': 'the host of a listener is not an address of this machine',
  'listen-failed': 'a listener could not be opened',
  'tls-unreadable': 'a certificate or key cannot be read',
  'data-dir-locked': 'another node uses the data directory',
  'data-dir-unusable': 'the data directory cannot be used',
  'data-dir-failed': 'the data directory takes no more writes',
  'engine-missing': 'a storage engine is not installed',
  'disk-full': 'no space is left for the data directory',
  'data-corrupt': 'stored data fails its checksum',
  'not-found': 'there is nothing of this name',
  'validation-failed': 'the question makes no sense',
  conflict: 'it cannot be done now',
  'payload-too-large': 'the answer is larger than answers may be',
  forbidden: 'the access rules do not allow it',
  'quota-exceeded': 'a quota of the cluster does not allow it',
  'too-many-requests': 'the cluster receives all that its rate quota allows: try again',
  'not-supported': 'this version of the node cannot do that',
} as const;
export type NodeErrorCode = keyof typeof NODE_ERRORS;

/** A failure that ends with one clear sentence for the person who runs the node. `message` is that sentence. */
export class NodeError extends Error {
  readonly code: NodeErrorCode;
  constructor(code: NodeErrorCode, sentence: string, options?: { cause?: unknown }) {
    super(sentence, options);
    this.name = 'NodeError';
    this.code = code;
  }
}
