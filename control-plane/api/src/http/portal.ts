import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fastifyStatic from '@fastify/static';

/** First segments of paths that are never the portal's. */
const NOT_PORTAL = /^\/(v1|health|metrics|docs|problems)(\/|$)/;

/** Serves the built portal. Files with a content hash in their name may be kept for ever, the page itself never. */
export async function servePortal(fastify: FastifyInstance, dir: string | undefined): Promise<void> {
  if (dir === undefined || !existsSync(join(dir, 'index.html'))) return;
  await fastify.register(fastifyStatic, {
    root: dir,
    wildcard: false,
    index: ['index.html'],
    cacheControl: false,
    setHeaders: (reply, path) => {
      const hashed = /[\\/]assets[\\/]/.test(path);
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
}

/** Answers a page address of the portal (a browser's GET that names no file) with its index page. */
export async function portalAnswers(request: FastifyRequest, reply: FastifyReply, path: string): Promise<boolean> {
  const page = request.method === 'GET' || request.method === 'HEAD';
  const wantsHtml = (request.headers.accept ?? '').includes('text/html');
  if (!page || !wantsHtml || NOT_PORTAL.test(path) || typeof reply.sendFile !== 'function') return false;
  await reply.status(200).sendFile('index.html');
  return true;
}
