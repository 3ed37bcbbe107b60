'use strict'

// The peer of volleyd in `make bench`: the events bench.w0 to bench.w3 as a careful Node developer
// would write them.  The same model (as a compiled JSON schema that names every mismatch), the same
// credentials check, the same condition, the same reply; pg with named prepared statements over a
// pool of 8, ioredis with auto-pipelining, the actions of an event at once, no request log, and the
// reply written by a compiled serializer.
// Addresses, credentials and the port come from the environment; see bench/peers.py.

const { createHash, hash, randomUUID, timingSafeEqual } = require('node:crypto')
const fastify = require('fastify')
const { Redis } = require('ioredis')
const pg = require('pg')

const env = process.env

const pool = new pg.Pool({ max: 8 }) // PGHOST, PGPORT, ...
pool.on('error', (error) => console.error(error.message))
const redis = new Redis({
  host: env.REDIS_HOST,
  port: Number(env.REDIS_PORT),
  password: env.REDISCLI_AUTH,
  enableAutoPipelining: true
})
redis.on('error', (error) => console.error(error.message))

// ---- what a payload must look like ----

const optional = (type, more) => ({ type, nullable: true, ...more })

const model = {
  type: 'object',
  required: ['id', 'email', 'address'],
  properties: {
    id: { type: 'string' },
    name: optional('string'),
    email: { type: 'string' },
    tags: optional('array', { items: optional('string') }),
    subscription: optional('array', {
      items: optional('object', { properties: { id: optional('string'), price: optional('number') } })
    }),
    address: { type: 'object', properties: { city: optional('string') } },
    created: optional('string', { format: 'date-time' })
  }
}

const taskShape = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    action: {
      type: 'object',
      properties: {
        id: { type: 'string' },
        name: { type: 'string', nullable: true },
        serviceAccountId: { type: 'string' },
        serviceAction: { type: 'string' }
      }
    },
    response: {
      type: 'object',
      properties: {
        status: { type: 'boolean' },
        state: { type: 'string' },
        responseTimeMS: { type: 'number' },
        responseCode: { type: 'integer' },
        responsePayload: {},
        responseMessage: { type: 'string' },
        responseDetail: { type: 'string' },
        startedMS: { type: 'number' },
        attempts: { type: 'integer' }
      }
    }
  }
}

const replyShape = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    event_name: { type: 'string' },
    environment: { type: 'string' },
    match: {
      type: 'object',
      properties: {
        status: { type: 'boolean' },
        total_rules: { type: 'integer' },
        total_matches: { type: 'integer' }
      }
    },
    match_rules: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          condition: { type: 'string', nullable: true },
          actions: { type: 'array', items: taskShape }
        }
      }
    },
    totalTimeMS: { type: 'number' }
  }
}

// ---- actions and events ----

const insert = {
  name: 'Save to Customer Database',
  id: 'add-customer-database',
  serviceAccountId: 'bench-postgresql',
  serviceAction: 'INSERT',
  async perform (payload) {
    const { command, rowCount } = await pool.query({
      name: 'add-customer-database',
      text: 'INSERT INTO customers (id, name, email, city, created) VALUES ($1, $2, $3, $4, $5)',
      values: [payload.id, payload.name, payload.email, payload.address.city, payload.created]
    })
    return { command, rowCount }
  }
}

const set = {
  name: 'Add to Core Redis',
  id: 'add-customer-redis',
  serviceAccountId: 'bench-redis',
  serviceAction: 'SET',
  perform: (payload) => redis.set(`customer:${payload.id}`, JSON.stringify(payload))
}

const always = (actions) => [{ id: 'on-event', condition: null, matches: () => true, actions }]

const events = {
  'bench.w0': [{
    id: 'large-customer',
    condition: 'subscription.price > 1000',
    matches: (payload) => payload.subscription?.some((item) => item?.price > 1000) ?? false,
    actions: [set]
  }],
  'bench.w1': always([set]),
  'bench.w2': always([insert]),
  'bench.w3': always([insert, set])
}

// ---- credentials ----

// hash() came with Node 20.12 and takes half of createHash()'s time.
const sha256 = hash
  ? (text) => hash('sha256', text, 'buffer')
  : (text) => createHash('sha256').update(text).digest()
const dummy = Buffer.alloc(32)
const keys = new Map([[env.CLIENT_KEY, { environment: 'test', hash: Buffer.from(env.SECRET_HASH, 'hex') }]])

function checkCredentials (request, reply, done) {
  const key = keys.get(request.headers.client_key)
  const given = sha256(request.headers.client_secret ?? '')
  if (!timingSafeEqual(given, key?.hash ?? dummy) || !key) {
    problem(reply, 401, 'the credentials are missing or wrong')
    return
  }
  request.environment = key.environment
  done()
}

// ---- runs ----

const milliseconds = (from, to) => Math.round((to - from) * 1000) / 1000

function settled (action, began, started, outcome) {
  const { id, name, serviceAccountId, serviceAction } = action
  return {
    id: randomUUID(),
    action: { id, name, serviceAccountId, serviceAction },
    response: {
      responseTimeMS: milliseconds(started, performance.now()),
      startedMS: milliseconds(began, started),
      attempts: 1,
      ...outcome
    }
  }
}

async function runTask (action, payload, began) {
  const started = performance.now()
  try {
    const value = await action.perform(payload)
    return settled(action, began, started,
      { status: true, state: 'done', responseCode: 201, responsePayload: value })
  } catch (error) {
    return settled(action, began, started,
      {
        status: false,
        state: 'failed',
        responseCode: 500,
        responsePayload: null,
        responseMessage: error.message,
        responseDetail: error.code
      })
  }
}

async function run (eventName, filters, request) {
  const began = performance.now()
  const payload = request.body
  const matching = filters.filter((filter) => filter.matches(payload))
  // Every action of every matching filter has started before the first is waited for.
  const rules = matching.map(({ id, condition, actions }) => ({
    id,
    condition,
    actions: actions.map((action) => runTask(action, payload, began))
  }))
  for (const rule of rules) {
    rule.actions = await Promise.all(rule.actions)
  }
  return {
    id: randomUUID(),
    event_name: eventName,
    environment: request.environment,
    match: { status: matching.length > 0, total_rules: filters.length, total_matches: matching.length },
    match_rules: rules,
    totalTimeMS: milliseconds(began, performance.now())
  }
}

// ---- HTTP ----

function problem (reply, status, detail, errors) {
  reply.code(status).type('application/problem+json')
    .send(JSON.stringify({ title: detail, status, detail, message: detail, errors }))
}

const app = fastify({
  logger: false,
  bodyLimit: 1024 * 1024,
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } }
})

app.decorateRequest('environment', '')

app.setErrorHandler((error, request, reply) => {
  if (error.validation) {
    const errors = error.validation.map(({ instancePath, message }) => ({ path: instancePath, message }))
    problem(reply, 422, 'the payload does not fit the model', errors)
  } else {
    problem(reply, error.statusCode ?? 500, error.message)
  }
})

for (const [name, filters] of Object.entries(events)) {
  app.post(`/event/${name}`, {
    onRequest: checkCredentials,
    schema: { body: model, response: { 201: replyShape } }
  }, async (request, reply) => {
    reply.code(201)
    return run(name, filters, request)
  })
}

process.on('SIGTERM', () => process.exit(0))

app.listen({ host: '127.0.0.1', port: Number(env.PORT) }).catch((error) => {
  console.error(error.message)
  process.exit(1)
})
