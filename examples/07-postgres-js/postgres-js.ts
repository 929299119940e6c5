import postgres from 'postgres'
import { createPartsmith, fromPostgresJs } from 'pg-partsmith'

const sql = postgres(process.env['DATABASE_URL'] ?? '', { onnotice: () => undefined })
await sql`DROP SCHEMA IF EXISTS example_postgres_js CASCADE`
await sql`CREATE SCHEMA example_postgres_js`
await sql`CREATE TABLE example_postgres_js.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)`

const partsmith = createPartsmith({ pool: fromPostgresJs(sql) })
const result = await partsmith.maintain({
  schema: 'example_postgres_js',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'week',
})
console.log(`created ${result.createdCount}`)
await sql.end()
