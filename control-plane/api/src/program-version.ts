/** Version of the program and of its API document. */
export const PROGRAM_VERSION = '0.1.0';
