import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fastifyStatic from '@fastify/static';

/** First segments of paths that are never the portal's. */
const NOT_PORTAL = /^\/(v1|health|metrics|docs|problems)(\/|$)/;

const PORTAL_DIR = 'portalDir';

/**
 * Makes the built portal servable by `portalAnswers`. Its files are looked for at each request and not listed once, so
 * that a portal that is built again under a running API is served whole. Files with a content hash in their name may be
 * kept for ever, the page itself never.
 */
export async function servePortal(fastify: FastifyInstance, dir: string | undefined): Promise<void> {
  if (dir === undefined || !existsSync(join(dir, 'index.html'))) return;
  fastify.decorate(PORTAL_DIR, resolve(dir));
  await fastify.register(fastifyStatic, {
    root: dir,
    serve: false,
    cacheControl: false,
    // the build leaves each file beside itself as .br and .gz
    preCompressed: true,
    setHeaders: (reply, path) => {
      const hashed = /[\\/]assets[\\/]/.test(path);
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
}

/**
 * Answers what no route matched: a file of the portal with the file, `/` and a page address (a
 * browser's GET that names no file) with the index page. False when it is neither.
 */
export async function portalAnswers(request: FastifyRequest, reply: FastifyReply, path: string): Promise<boolean> {
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (!reads || NOT_PORTAL.test(path) || !request.server.hasDecorator(PORTAL_DIR)) return false;
  const isFile = await isFileIn(request.server.getDecorator<string>(PORTAL_DIR), path);
  const wantsPage = path === '/' || (request.headers.accept ?? '').includes('text/html');
  if (!isFile && !wantsPage) return false;
  await reply.status(200).sendFile(isFile ? path.slice(1) : 'index.html');
  return true;
}

async function isFileIn(dir: string, path: string): Promise<boolean> {
  try {
    const file = resolve(dir, `.${decodeURIComponent(path)}`);
    return file.startsWith(dir + sep) && (await stat(file)).isFile();
  } catch {
    // not there, or no path at all
    return false;
  }
}
