import { ProblemError } from '../http/problem-error.ts';

/** Passwords of ten characters and more that stand at the top of published breaches, in lower case. */
const BREACHED = new Set(
  `1234567890 12345678910 1234567891 123456789a 0123456789 9876543210 0987654321 1111111111 0000000000 1q2w3e4r5t
  1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc zaq12wsxcde3 qwertyuiop qwertyuiop123 qwerty12345 qwerty123456 asdfghjkl1
  asdfghjkl123 zxcvbnm123 qazwsxedcrfv password12 password123 password1234 password12345 passw0rd123 p@ssw0rd123
  mypassword mypassword1 yourpassword newpassword changeme123 letmein123 letmein1234 welcome123 welcome1234 iloveyou12
  iloveyou123 iloveyou1234 princess123 sunshine123 football123 baseball123 superman123 batman12345 dragon12345
  monkey12345 michael123 jennifer123 charlie123 liverpool1 liverpool123 manchester chocolate1 chocolate123 basketball
  basketball1 computer123 internet123 administrator administrator1 admin12345 admin123456 root123456 test123456
  testtest123 abcdefghij abcdefghijk abc1234567 abcd123456 abcd1234567 abc123abc123 a123456789 a1234567890 aa12345678
  qwe123qwe123 asd123asd123 1234qwerasdf qwerasdfzxcv 1234567890qwerty correcthorsebatterystaple q1w2e3r4t5y6
  1a2b3c4d5e 147258369a 1472583690 7894561230 12341234123 1231231231 123123123123 1212121212 1122334455 0123456789a
  november2025 december2025 january2026 summer2025 winter2025 spring2026 autumn2025`.split(/\s+/),
);

/** One character or one short piece over and over, or a run of neighbours: on every guesser's list. */
const isMonotonous = (text: string): boolean =>
  /^(.{1,3})\1+.{0,2}$/.test(text) ||
  [...text].every((one, at, all) => at === 0 || one.charCodeAt(0) - all[at - 1]!.charCodeAt(0) === 1);

/** Refuses passwords that guessers try first (ASVS 5.0 6.2.4, 6.2.12), and the person's own address. */
export function refuseBreached(password: string, email: string, pointer: string): void {
  const plain = password.toLowerCase();
  const known = BREACHED.has(plain) || isMonotonous(plain) || plain === email || plain === email.split('@')[0];
  if (known)
    throw new ProblemError('validation-failed', {
      errors: [{ pointer, detail: 'is on the list of passwords that are guessed first: choose another one' }],
    });
}
