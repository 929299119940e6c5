import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeCli, unwrapped, workingDirectory } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase } from '../support/database.ts'

describeCli('hooks in the configuration', (major, cli) => {
  it('run only where that is allowed: without, the commands that would run them end with 4', async () => {
    const cwd = directoryWith(
      { url: 'postgres://127.0.0.1:1/nobody' },
      { tables: [monthly('events')], hooks: { afterCreate: ['touch', 'ran'] } },
    )
    for (const command of ['apply', 'maintain']) {
      const { code, stderr } = await cli([command], { cwd })
      expect(stderr).toContain(
        'partsmith.config.json names commands to run as hooks (afterCreate), and they run only where that is allowed.',
      )
      expect(stderr).toContain(`${command} --allow-hooks`)
      expect(code).toBe(4)
    }
    // These run none, so they are not kept from anything.
    for (const command of ['plan', 'inspect', 'validate']) {
      expect((await cli([command], { cwd })).code).toBe(5)
    }
  })

  it('get the event as JSON, and refuse with a status other than 0', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const told = join(workingDirectory(), 'told')
    const withHooks = directoryWith(database, {
      tables: [monthly('events', { createAheadCount: 2 })],
      hooks: {
        beforeCreate: [
          'sh',
          '-c',
          `read -r event; echo "$event" >> '${told}'; test "$(wc -l < '${told}')" -gt 1 || { echo not now >&2; exit 9; }`,
        ],
      },
    })

    const { code, stdout } = await cli(['maintain', '--allow-hooks'], { cwd: withHooks })

    expect(stdout).toMatch(/1 {2}create {2}events__\S+ {2}refused/)
    expect(stdout).toMatch(/2 {2}create {2}events__\S+ {2}done/)
    expect(unwrapped(stdout)).toContain('not now')
    expect(code).toBe(3)
    const events = readFileSync(told, 'utf8').trim().split('\n')
    expect(events).toHaveLength(2)
    expect(JSON.parse(events[0] ?? '')).toMatchObject({
      version: 1,
      phase: 'beforeCreate',
      table: { schema: 'app', name: 'events' },
      operation: 'create',
    })
    expect(await partitionsOf(database)).toHaveLength(4)

    expect((await cli(['maintain', '--allow-hooks'], { cwd: withHooks })).code).toBe(0)
    expect(await partitionsOf(database)).toHaveLength(5)
  })

  it('are killed when they take too long, and that refuses', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, {
      tables: [monthly('events', { createAheadCount: 1 })],
      hooks: { timeoutSeconds: 0.3, beforeCreate: ['sleep', '60'] },
    })
    const { code, stdout } = await cli(['apply', '--allow-hooks'], { cwd })
    expect(stdout).toContain('refused')
    expect(code).toBe(3)
    expect(await partitionsOf(database)).toHaveLength(3)
  })

  it('are a warning and 3 where they fail after the deed', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, {
      tables: [monthly('events', { createAheadCount: 1 })],
      hooks: { afterCreate: ['false'] },
    })
    const { code, stdout } = await cli(['apply', '--allow-hooks'], { cwd })
    expect(stdout).toMatch(/done/)
    expect(stdout).toContain('warning  ')
    expect(code).toBe(3)
    expect(await partitionsOf(database)).toHaveLength(4)
  })
})
