import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { allowNoBody } from '../operation.ts';

/** Collects the routes' schemas into the OpenAPI document; register it before the routes. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    transformObject: sayWhichBodiesAreOptional(app),
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
          service_key: {
            type: 'http',
            scheme: 'bearer',
            description: 'A service key, purser_sk_…, with the scope that is named or `admin`.',
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

type TransformDocument = NonNullable<FastifyDynamicSwaggerOptions['transformObject']>;

/** The plugin says of every body that it is required, also where `allowNoBody` lets it be left out. */
function sayWhichBodiesAreOptional(app: FastifyInstance): TransformDocument {
  const optional = new Set<string | undefined>();
  app.addHook('onRoute', ({ preValidation, schema }) => {
    if (preValidation === allowNoBody) optional.add(schema?.operationId);
  });
  return (made) => {
    const document = 'openapiObject' in made ? made.openapiObject : made.swaggerObject;
    for (const operation of Object.values(document.paths ?? {}).flatMap(Object.values)) {
      if (optional.has(operation.operationId)) operation.requestBody.required = false;
    }
    return document;
  };
}

/** Only this server's own files; Swagger UI draws its arrows as data: images. */
const DOCS_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <circle cx="16" cy="16" r="15" fill="#1c4e80"/>
  <path d="M11 25V7h6a5.5 5.5 0 0 1 0 11h-6" fill="none" stroke="#fff" stroke-width="4"/>
</svg>`;

/** The browsable page at /docs and the document at /openapi.json. */
export async function serveDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // The badge would send the document to a server of somebody else's.
    // BaseLayout has no bar with a logo and a box for other documents.
    uiConfig: { validatorUrl: null, layout: 'BaseLayout' },
    theme: {
      title: 'Purser API',
      favicon: [
        { filename: 'icon.svg', rel: 'icon', type: 'image/svg+xml', sizes: 'any', content: ICON },
      ],
    },
    staticCSP: DOCS_POLICY,
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
