import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PostgresAdvisoryLockManager } from '../../src/index.ts'
import { describeCliOnEachServer, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase } from '../support/database.ts'

describeCliOnEachServer('apply and maintain', (major, cli) => {
  describe.each(['apply', 'maintain'])('%s', (command) => {
    it('creates what is missing, reports it, and has nothing to do the second time', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      const cwd = directoryWith(database, { tables: [monthly('events')] })

      const first = await cli([command], { cwd })
      expect(first.stdout).toMatch(/1 {2}create {2}events__\d{4}_\d\d {2}done {2}\d+ ms/)
      expect(first.stdout).toContain('Created 3.')
      expect(first.code).toBe(0)
      expect(await partitionsOf(database)).toHaveLength(6)

      const second = await cli([command], { cwd })
      expect(second.stdout).toContain('Nothing to do.')
      expect(second.stdout).toContain('Nothing was changed.')
      expect(second.code).toBe(0)
    })

    it('withholds what takes rows away, says so, and ends with 2', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database, { past: 4 })
      const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 3 })] })

      const { code, stdout } = await cli([command], { cwd })

      expect(stdout).toContain('Created 3.')
      expect(stdout).toMatch(/detach {2}events_old_4 +withheld/)
      expect(unwrapped(stdout)).toContain('4 operations were withheld, because rows would be taken away')
      expect(stdout).toContain('--allow-destructive')
      expect(code).toBe(2)
      expect(await partitionsOf(database)).toContain('events_old_4')
    })

    it('detaches and drops with --allow-destructive, or where the configuration allows it', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database, { name: 'a', past: 4 })
      await makeMonthly(database, { name: 'b', past: 4 })
      const cwd = directoryWith(database, {
        defaults: { retentionCount: 3 },
        tables: [monthly('a'), monthly('b', { allowDestructive: true })],
      })

      const gated = await cli([command], { cwd })
      expect(gated.code).toBe(2)
      expect(await partitionsOf(database, 'a')).toContain('a_old_4')
      expect(await partitionsOf(database, 'b')).not.toContain('b_old_3')

      const allowed = await cli([command, '--allow-destructive'], { cwd })
      expect(allowed.stdout).toContain('Detached 2, dropped 2.')
      expect(allowed.code).toBe(0)
      expect(await partitionsOf(database, 'a')).not.toContain('a_old_3')
    })

    it('leaves a table alone while another maintainer holds its lock, and ends with 6 or as told with 0', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database, { name: 'a' })
      await makeMonthly(database, { name: 'b' })
      const cwd = directoryWith(database, { tables: [monthly('a'), monthly('b')] })
      const busy = await new PostgresAdvisoryLockManager(database.pool).acquireLock({
        schema: 'app',
        name: 'a',
      })
      try {
        const locked = await cli([command], { cwd })
        expect(locked.stdout).toMatch(/locked {2}/)
        expect(locked.stdout).toContain('create  b__')
        expect(locked.code).toBe(6)
        const told = await cli([command, '--ok-if-locked'], { cwd })
        expect(told.code).toBe(0)
        expect(await partitionsOf(database, 'a')).toHaveLength(3)
        expect(await partitionsOf(database, 'b')).toHaveLength(6)
      } finally {
        await busy.release()
      }
      expect((await cli([command], { cwd })).code).toBe(0)
    })

    it('goes on after a right that is missing only with --continue-on-error', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      // The first partition cannot be built, because the server does not allow tables of that name.
      await database.sql(`
        CREATE FUNCTION app.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE made record; BEGIN
          FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
            IF made.object_identity LIKE '%events\\_\\_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY\\_MM') THEN
              RAISE EXCEPTION 'not this one' USING ERRCODE = 'insufficient_privilege';
            END IF;
          END LOOP;
        END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.refuse();`)
      const cwd = directoryWith(database, { tables: [monthly('events')] })

      const stopped = await cli([command], { cwd })
      expect(stopped.stdout).toMatch(/failed/)
      expect(stopped.stdout).toContain('not-run')
      expect(stopped.stdout).toContain('not this one')
      expect(stopped.code).toBe(3)
      expect(await partitionsOf(database)).toHaveLength(3)

      const went = await cli([command, '--continue-on-error'], { cwd })
      expect(went.stdout).toContain('Created 2.')
      expect(went.code).toBe(3)
      expect(await partitionsOf(database)).toHaveLength(5)
    })
  })

  describe('apply --plan', () => {
    it('refuses a plan once the database has moved on, says what moved, and ends with 3', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      const cwd = directoryWith(database, { tables: [monthly('events')] })
      await cli(['plan', '--save', 'plan.json'], { cwd })
      await database.sql('ALTER TABLE app.events DETACH PARTITION app.events_old_2')

      const { code, stdout } = await cli(['apply', '--plan', 'plan.json'], { cwd })

      expect(unwrapped(stdout)).toContain('app.events_old_2 was attached')
      expect(unwrapped(stdout)).toContain('Nothing was changed; plan again.')
      expect(code).toBe(3)
      expect(await partitionsOf(database)).toHaveLength(2)
    })

    it('says of what it withheld that a new plan is needed, because the saved one holds only once', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database, { past: 4 })
      const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 3 })] })
      await cli(['plan', '--save', 'plan.json'], { cwd })

      const { code, stdout } = await cli(['apply', '--plan', 'plan.json'], { cwd })

      expect(unwrapped(stdout)).toContain(
        '4 operations were withheld, because rows would be taken away: this plan does not hold any more, so make a new one with `plan --save` and carry it out with --allow-destructive,',
      )
      expect(code).toBe(2)
      const again = await cli(['apply', '--plan', 'plan.json', '--allow-destructive'], { cwd })
      expect(unwrapped(again.stdout)).toContain('plan again')
      expect(again.code).toBe(3)

      // Of a plan that only retires nothing was done, so it still holds.
      await cli(['plan', '--save', 'retire.json'], { cwd })
      const untouched = await cli(['apply', '--plan', 'retire.json'], { cwd })
      expect(unwrapped(untouched.stdout)).toContain('then run again with --allow-destructive')
      const done = await cli(['apply', '--plan', 'retire.json', '--allow-destructive'], { cwd })
      expect(done.code).toBe(0)
      expect(done.stdout).toContain('Detached 2, dropped 2.')
    })

    it('refuses a plan that was cut short, edited, or is something else, naming the file', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      const cwd = directoryWith(database, { tables: [monthly('events')] })
      await cli(['plan', '--save', 'plan.json'], { cwd })
      const text = readFileSync(join(cwd, 'plan.json'), 'utf8')
      const spoilt = {
        'cut.json': text.slice(0, -100),
        'edited.json': text.replace('events_old_1', 'events_old_9'),
        'other.json': '{ "name": "something else" }',
        'empty.json': '{ "version": 1, "tables": [] }',
        'later.json': text.replace('"version": 1', '"version": 2'),
      }
      for (const [file, spoiltText] of Object.entries(spoilt)) {
        writeFileSync(join(cwd, file), spoiltText)
        const { code, stdout, stderr } = await cli(['apply', '--plan', file], { cwd })
        expect(stderr).toContain(`pg-partsmith: ${file}: `)
        expect(stderr).toContain('Nothing was changed')
        expect(stdout).toBe('')
        expect(code).toBe(4)
      }
      const absent = await cli(['apply', '--plan', 'absent.json'], { cwd })
      expect(absent.stderr).toContain('The plan absent.json cannot be read: it does not exist.')
      expect(absent.code).toBe(4)
      expect(await partitionsOf(database)).toHaveLength(3)
    })

    it('refuses a plan for other tables, and one from another configuration', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      await makeMonthly(database, { name: 'others' })
      const cwd = directoryWith(database, { tables: [monthly('events')] })
      await cli(['plan', '--save', 'plan.json'], { cwd })

      const other = directoryWith(database, { tables: [monthly('others')] })
      const foreign = await cli(['apply', '--plan', join(cwd, 'plan.json')], { cwd: other })
      expect(foreign.stderr).toContain('The plan is for app.events')
      expect(foreign.code).toBe(4)

      const changed = directoryWith(database, { tables: [monthly('events', { createAheadCount: 9 })] })
      const mismatch = await cli(['apply', '--plan', join(cwd, 'plan.json')], { cwd: changed })
      expect(mismatch.stderr).toContain('the configuration was changed since the plan was made')
      expect(mismatch.code).toBe(4)
      expect(await partitionsOf(database)).toHaveLength(3)
      expect(await partitionsOf(database, 'others')).toHaveLength(3)
    })

    it('reads what plan --output json printed, too', async () => {
      const database = await createDatabase(major)
      await makeMonthly(database)
      const cwd = directoryWith(database, { tables: [monthly('events')] })
      writeFileSync(join(cwd, 'plan.json'), (await cli(['plan', '--output', 'json'], { cwd })).stdout)

      expect((await cli(['apply', '--plan', 'plan.json'], { cwd })).code).toBe(0)
      expect(await partitionsOf(database)).toHaveLength(6)
    })
  })
})
