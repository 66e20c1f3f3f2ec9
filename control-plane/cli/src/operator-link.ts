import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ApiError, ConnectionError, type FieldError } from '@robustmq/client';
import type { Context } from './context.ts';
import { EXIT, Failure } from './failure.ts';

/** The operator's token: the environment's, or that of the installation on this machine. */
function operatorToken(context: Context): string {
  const { env } = context.terminal;
  const given = env['ROBUSTMQ_OPERATOR_TOKEN'];
  if (given) return given;
  const file = join(env['ROBUSTMQ_HOME'] || join(homedir(), '.robustmq'), 'secrets.json');
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { operatorToken: string }).operatorToken;
  } catch {
    throw new Failure(
      EXIT.denied,
      'These commands are for whoever runs the platform.',
      `Set ROBUSTMQ_OPERATOR_TOKEN, or run them where ${file} can be read.`,
    );
  }
}

/** Asks `/v1/operator/…`. Throws ApiError, ConnectionError, and Failure without a token. */
export async function askOperator<T>(
  context: Context,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: object,
): Promise<T> {
  const url = `${context.server}/v1/operator/${path}`;
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${operatorToken(context)}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch((error: unknown) => {
    throw new ConnectionError(context.server, false, error);
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  const {
    code = `http-${response.status}`,
    title = response.statusText,
    detail,
    errors,
  } = (answer ?? {}) as {
    code?: string;
    title?: string;
    detail?: string;
    errors?: FieldError[];
  };
  throw new ApiError({ status: response.status, code, title, detail, errors });
}
