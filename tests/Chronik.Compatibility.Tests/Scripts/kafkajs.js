// node kafkajs.js BOOTSTRAP NAME: a topic's life with kafkajs. Ends with an assertion's message when something is not as it should be.
const assert = require('node:assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const [bootstrap, name] = process.argv.slice(2);
const kafka = new Kafka({ clientId: name, brokers: [bootstrap], logLevel: logLevel.NOTHING });

async function consume(groupId, expected) {
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic: name, fromBeginning: true });
  const seen = [];
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => reject(e.payload.error));
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        seen.push({ partition, offset: Number(message.offset), key: message.key?.toString(), value: message.value?.toString(),
          header: message.headers?.h?.toString() });
        if (seen.length === expected) resolve();
      },
    }).catch(reject);
  });
  await consumer.commitOffsets([0, 1, 2].map(p => ({ topic: name, partition: p,
    offset: String(Math.max(0, ...seen.filter(m => m.partition === p).map(m => m.offset + 1))) })));
  await consumer.disconnect();
  return seen;
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  assert.ok(await admin.createTopics({ waitForLeaders: true,
    topics: [{ topic: name, numPartitions: 3, configEntries: [{ name: 'max.message.bytes', value: '200000' }] }] }));
  assert.equal(await admin.createTopics({ topics: [{ topic: name, numPartitions: 3 }] }), false);
  assert.ok((await admin.listTopics()).includes(name));
  assert.equal((await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length, 3);
  const configs = await admin.describeConfigs({ resources: [{ type: 2, name }], includeSynonyms: false });
  assert.equal(configs.resources[0].configEntries.find(e => e.configName === 'max.message.bytes').configValue, '200000');

  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let i = 0; i < 30; i++) {
    await producer.send({ topic: name, compression: i % 2 ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: [{ partition: i % 3, key: `k${i}`, value: `v${i}`, headers: { h: `h${i}` } }] });
  }
  await producer.disconnect();

  const seen = await consume(`${name}-group`, 30);
  assert.deepEqual(new Set(seen.map(m => `${m.key} ${m.value} ${m.header}`)), new Set([...Array(30).keys()].map(i => `k${i} v${i} h${i}`)));
  for (let p = 0; p < 3; p++) {
    assert.deepEqual(seen.filter(m => m.partition === p).map(m => m.offset), [...Array(10).keys()]);
  }

  const committed = await admin.fetchOffsets({ groupId: `${name}-group`, topics: [name] });
  assert.deepEqual(committed[0].partitions.map(p => p.offset).sort(), ['10', '10', '10']);
  const ends = await admin.fetchTopicOffsets(name);
  assert.deepEqual(ends.map(p => [p.low, p.high]), [['0', '10'], ['0', '10'], ['0', '10']]);
  const group = (await admin.describeGroups([`${name}-group`])).groups[0];
  assert.equal(group.state, 'Empty');
  assert.ok((await admin.listGroups()).groups.some(g => g.groupId === `${name}-group`));

  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '4' }] });
  assert.equal((await admin.fetchTopicOffsets(name)).find(p => p.partition === 0).low, '4');
  await admin.deleteGroups([`${name}-group`]);
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] });
  await admin.deleteTopics({ topics: [name] });
  await admin.disconnect();
}

main().then(() => process.exit(0), error => { console.error(error); process.exit(1); });
