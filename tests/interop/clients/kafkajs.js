// kafkajs.js BOOTSTRAP BASE - the steps of plan.py with kafkajs. It consumes through a group only, so what it reads here is
// fetched by its own broker object, which decodes what its consumers would.
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const defaultSocketFactory = require('kafkajs/src/network/socketFactory')
const { createLogger } = require('kafkajs/src/loggers')
const lz4 = require('lz4js')
const readline = require('readline')
const snappy = require('snappyjs')
const xxhash = require('lz4js/xxh32')

const COUNT = 300
const WAIT_MS = 15000
const [at, baseText] = process.argv.slice(2)
const base = Number(baseText)

// Snappy as Kafka's Java client frames it: a magic of 16 bytes, then blocks with their length before them.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])

function unsnap(buffer) {
  if (!buffer.subarray(0, XERIAL.length).equals(XERIAL)) return snappy.uncompress(buffer)
  const parts = []
  for (let from = 16; from < buffer.length; ) {
    const size = buffer.readUInt32BE(from)
    parts.push(snappy.uncompress(buffer.subarray(from + 4, from + 4 + size)))
    from += 4 + size
  }
  return Buffer.concat(parts)
}

// Kafka takes only frames that call their blocks independent of each other; the one block of a small frame is.
function lz4Frame(buffer) {
  const frame = Buffer.from(lz4.compress(buffer))
  frame[4] |= 0x20
  frame[6] = (xxhash.hash(0, frame, 4, 2) >>> 8) & 0xff
  return frame
}

CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async encoder => snappy.compress(encoder.buffer),
  decompress: async buffer => unsnap(buffer),
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Frame(encoder.buffer),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})

const retry = { retries: 2, initialRetryTime: 50 }
const kafka = new Kafka({ brokers: [at], logLevel: logLevel.NOTHING, retry, requestTimeout: WAIT_MS })
const cluster = new Cluster({
  logger: createLogger({ level: logLevel.NOTHING, logCreator: () => () => {} }),
  socketFactory: defaultSocketFactory(),
  brokers: [at],
  connectionTimeout: WAIT_MS,
  requestTimeout: WAIT_MS,
  metadataMaxAge: WAIT_MS,
  allowAutoTopicCreation: false,
  isolationLevel: 0,
  retry,
})
const admin = kafka.admin()

function record(i) {
  return {
    timestamp: String(base + (i === 150 ? 1000 * 1000 : i * 1000)),
    partition: 0,
    key: i % 5 === 0 ? null : `k${i % 17}`,
    value: i % 7 === 3 && i % 5 !== 0 ? null : i % 7 === 4 ? '' : `value-${i}-`.repeat(1 + (i % 50)),
    headers: i % 3 === 0 ? { n: String(i), none: '' } : {},
  }
}

const sized = data => (data === null ? '-1:' : `${data.length}:${data}`)

function row(m) {
  const headers = Object.entries(m.headers).map(([name, value]) => `${name}=${value}`)
  return `${m.offset} ${m.timestamp} ${sized(m.key)} ${sized(m.value)} ${headers.join(',')}`
}

async function send(topic, codec, acks, messages) {
  const idempotent = acks === 'idempotent'
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1, createPartitioner: () => () => 0 })
  const types = { none: 0, gzip: 1, snappy: 2, lz4: 3 }
  await producer.connect()
  try {
    const answer = await producer.send({
      topic,
      messages,
      acks: acks === '0' || acks === '1' ? Number(acks) : -1,
      compression: types[codec],
    })
    return acks === '0' ? 'ok' : `ok ${answer[0].baseOffset} ${Number(answer[0].baseOffset) + messages.length - 1}`
  } finally {
    await producer.disconnect()
  }
}

async function fetch(topic, offset, count) {
  await cluster.addTargetTopic(topic)
  const broker = await cluster.findBroker({ nodeId: Object.keys(cluster.findLeaderForPartitions(topic, [0]))[0] })
  const found = []
  while (found.length < count) {
    const partitions = [{ partition: 0, fetchOffset: String(offset + found.length), maxBytes: 1048576 }]
    const answer = await broker.fetch({
      isolationLevel: 0, maxWaitTime: 1000, topics: [{ topic, partitions }],
    })
    const all = answer.responses[0].partitions[0].messages
    const messages = all.filter(m => Number(m.offset) >= offset + found.length)
    if (messages.length === 0) throw new Error(`only ${found.length} of ${count} records of ${topic}`)
    found.push(...messages)
  }
  return found.slice(0, count)
}

const noise = size => {
  const value = Buffer.alloc(size)
  for (let i = 0, state = 1; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    value[i] = state >>> 24
  }
  return value
}

const does = {
  topics: async () => (await admin.listTopics()).sort(),
  create: async (topic, partitions, replicas, ...config) => {
    const configEntries = config.map(pair => pair.split('=')).map(([name, value]) => ({ name, value }))
    const topics = [{ topic, numPartitions: Number(partitions), replicationFactor: Number(replicas), configEntries }]
    if (!(await admin.createTopics({ topics }))) return ['error 36']
    return ['ok']
  },
  produce: async (topic, codec, acks, first) =>
    [await send(topic, codec, acks, Array.from({ length: COUNT }, (_, i) => record(Number(first) + i)))],
  huge: async topic => [await send(topic, 'none', 'all', [{ value: noise(1500000) }])],
  consume: async (topic, offset, count) => (await fetch(topic, Number(offset), Number(count))).map(row),
  values: async (topic, count) => (await fetch(topic, 0, Number(count))).map(m => String(m.value)),
  offset: async (topic, moment) => {
    if (moment === 'start' || moment === 'end') {
      const found = (await admin.fetchTopicOffsets(topic)).find(p => p.partition === 0)
      return [moment === 'start' ? found.low : found.high]
    }
    return [(await admin.fetchTopicOffsetsByTimestamp(topic, Number(moment))).find(p => p.partition === 0).offset]
  },
}

// The broker's code, wherever the library wraps it.
function code(e) {
  for (const inner of [e, e.cause, ...(e.errors || [])]) {
    if (inner && Number.isInteger(inner.code)) return inner.code
    if (inner && inner !== e && code(inner) !== null) return code(inner)
  }
  return null
}

async function main() {
  await admin.connect()
  await cluster.connect()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...args] = line.trim().split(/\s+/)
    console.log('==', name, ...args)
    try {
      for (const text of await does[name](...args)) console.log(text)
    } catch (e) {
      if (code(e) === null) throw e
      console.log('error', code(e))
    }
  }
  await admin.disconnect()
  await cluster.disconnect()
}

main().catch(e => {
  console.error('FAILED:', e)
  process.exit(1)
})
