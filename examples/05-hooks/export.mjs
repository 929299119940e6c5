// Reads the event from standard input and writes the rows of the partition to a file beside this one.

import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Client, escapeIdentifier } from 'pg'

const { partition } = JSON.parse(await text(process.stdin))
const client = new Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
const table = `${escapeIdentifier(partition.schema)}.${escapeIdentifier(partition.name)}`
const { rows } = await client.query(`SELECT to_json(t)::text AS line FROM ${table} t ORDER BY id`)
await writeFile(`${partition.name}.jsonl`, rows.map(({ line }) => `${line}\n`).join(''))
await client.end()
