import { createRequire } from 'node:module';
import type * as Http from 'node:http';
import type * as Https from 'node:https';

const load = createRequire(import.meta.url);

/**
 * Node's HTTP server. Importing `node:http` as a module evaluates all its exports, among them a WebSocket client that
 * brings a whole HTTP client (undici, HTTP/2) into memory: 5 MB that no node uses.
 */
export const http = load('node:http') as typeof Http;
export const https = load('node:https') as typeof Https;
