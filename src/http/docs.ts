import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';

/** Collects the routes' schemas into the OpenAPI document; register it before the routes. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Purser',
        version,
        description:
          'Prepaid credits. Success is `{ data }`, an error `{ error: { code, message }, ' +
          'request_id }`; `code` is stable, `message` is for people.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          session: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'The NextAuth session token (JWT strategy), as it stands in the cookie.',
          },
        },
      },
      security: [{ session: [] }],
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, i) => String($id ?? `def-${i}`),
    },
  });
}

/** The browsable page at /docs and the document at /openapi.json. */
export async function serveDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // The badge would send the document to a server of somebody else's.
    uiConfig: { validatorUrl: null },
    staticCSP: true,
    // Where the API is served by http, such as on a developer's machine, nothing can be upgraded.
    transformStaticCSP: (policy) => policy.replace(/ ?upgrade-insecure-requests;/, ''),
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
