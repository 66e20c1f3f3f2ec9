/** The part of oidc-provider (it has no types of its own) that the tests use. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface GrantOfProvider {
    addOIDCScope(scope: string): void;
    addOIDCClaims(claims: string[]): void;
    save(ttlSeconds?: number): Promise<string>;
  }
  export default class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>);
    readonly Grant: new (values: { clientId: string; accountId: string }) => GrantOfProvider;
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>;
  }
}
