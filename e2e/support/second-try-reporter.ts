import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase } from 'vitest/node';

/**
 * Names every test that failed and passed when it was tried again, with what it failed of, so that nothing flaky passes
 * unseen. The lines go to standard output and, when `ROBUSTMQ_SECOND_TRIES` names a file, to its end.
 */
export default class SecondTryReporter implements Reporter {
  readonly #lines: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== 'passed' || (test.diagnostic()?.retryCount ?? 0) === 0) return;
    const reason = (result.errors?.[0]?.message ?? 'no reason given').split('\n', 1)[0]!.slice(0, 300);
    this.#lines.push(`passed on second try: ${test.module.relativeModuleId} > ${test.fullName}: ${reason}`);
  }

  onTestRunEnd(): void {
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join('\n')}\n`;
    process.stdout.write(`\n${text}`);
    const file = process.env['ROBUSTMQ_SECOND_TRIES'];
    if (file) appendFileSync(file, text);
  }
}
