/** A start that cannot succeed, for a reason a person can mend. Printed as its one sentence, with exit code 1. */
export class StartError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'StartError';
  }
}
