/** Asks the person for the second factor; undefined = they would not. `wrong` says that the last one was refused. */
export type CodePrompt = (wrong: boolean) => Promise<string | undefined>;

interface StepUpOptions {
  readonly fetch: (request: Request) => Promise<Response>;
  readonly ask: CodePrompt;
  /** Keeps the access token that dangerous actions are allowed with. */
  readonly keep: (accessToken: string) => void;
}

/** Codes that may be tried for one action. */
const TRIES_MAX = 3;

async function wantsStepUp(response: Response): Promise<boolean> {
  if (response.status !== 403) return false;
  const problem: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return (problem as { code?: unknown } | undefined)?.code === 'step-up-required';
}

/**
 * A fetch that asks for the second factor when an action needs it again, and then repeats the action: the page that asked
 * for it never knows. Answers the refusal itself when the person gives up or has no right code.
 */
export function withStepUp({ fetch, ask, keep }: StepUpOptions): (request: Request) => Promise<Response> {
  const prove = async (request: Request): Promise<string | undefined> => {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const code = await ask(attempt > 0);
      if (code === undefined) return undefined;
      const answer = await fetch(
        new Request(new URL('/v1/me/step-up', request.url), {
          method: 'POST',
          headers: {
            authorization: request.headers.get('authorization') ?? '',
            'content-type': 'application/json',
          },
          body: JSON.stringify({ code }),
        }),
      );
      if (answer.ok) {
        const { accessToken } = (await answer.json()) as { accessToken: string };
        keep(accessToken);
        return accessToken;
      }
    }
    return undefined;
  };
  return async (request) => {
    const method = request.method;
    const body = method === 'GET' || method === 'HEAD' ? undefined : await request.clone().arrayBuffer();
    const response = await fetch(request);
    if (!(await wantsStepUp(response))) return response;
    const token = await prove(request);
    if (token === undefined) return response;
    const headers = new Headers(request.headers);
    headers.set('authorization', `Bearer ${token}`);
    // A request of its own: the time limit of the first ran while the person looked for their code.
    return fetch(new Request(request.url, { method, headers, ...(body && body.byteLength > 0 ? { body } : {}) }));
  };
}
