export const PASSWORD_LENGTH_MIN = 10;

/** What is wrong with a new password; null when nothing is. Its length is the only rule. */
export const newPasswordFault = (value: string): string | null =>
  value.length < PASSWORD_LENGTH_MIN ? `Use at least ${PASSWORD_LENGTH_MIN} characters` : null;
