import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ConnectionSources, type ConnectionTarget, findConnection } from '../../src/cli/connection.ts'
import { serverIdentity, temporaryDirectory } from '../../src/cli/embedded/identity.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import { reachServer } from '../../src/cli/reach-server.ts'
import { ConnectionFailedError, InvalidPartitionConfigError } from '../../src/index.ts'
import { CertificateAuthority } from '../support/certificates.ts'

let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(temporaryDirectory(serverIdentity()), 'partsmith-connection-'))
  await chmod(directory, 0o755)
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** Writes a file that only its owner may read. */
async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text, { mode: 0o600 })
  return path
}

/** No variables but these, and a home without any files. */
async function find(sources: ConnectionSources = {}): Promise<ConnectionTarget> {
  return await findConnection({ ...sources, env: { HOME: '/nonexistent', ...sources.env } })
}

async function refusal(sources: ConnectionSources): Promise<string> {
  const error: unknown = await find(sources).catch((thrown: unknown) => thrown)
  if (error instanceof InvalidPartitionConfigError) return error.message
  throw new Error('This was expected to be refused.', { cause: error })
}

describe('the source of the connection', () => {
  const config = { url: 'postgres://me@config/db', file: 'partsmith.config.yaml' }
  const env = {
    PG_PARTSMITH_URL: 'postgres://me@variable/db',
    PGHOST: 'pghost',
    PGUSER: 'me',
    PGDATABASE: 'db',
  }

  it('is the first that there is, in the documented order', async () => {
    const secret = await file('url', 'postgres://me@file/db\n')
    const all = { ...env, PG_PARTSMITH_URL_FILE: secret }
    const { PG_PARTSMITH_URL: _, ...withoutVariable } = all
    const { PG_PARTSMITH_URL_FILE: __, ...withoutFile } = withoutVariable
    const sources: readonly ConnectionSources[] = [
      { url: 'postgres://me@option/db', env: all, config },
      { env: all, config },
      { env: withoutVariable, config },
      { env: withoutFile, config },
      { env: {}, config },
    ]
    const targets = await Promise.all(sources.map(find))
    expect(targets.map(({ name, source }) => [name, source])).toEqual([
      ['postgres://me@option:5432/db', '--url'],
      ['postgres://me@variable:5432/db', 'PG_PARTSMITH_URL'],
      ['postgres://me@file:5432/db', `PG_PARTSMITH_URL_FILE (${secret})`],
      ['postgres://me@pghost:5432/db', 'the PG* variables'],
      ['postgres://me@config:5432/db', 'connection.url in partsmith.config.yaml'],
    ])
  })

  it('is filled in from the PG* variables where it leaves something out', async () => {
    const { options } = await find({
      url: 'postgres://host',
      env: {
        PGUSER: 'u',
        PGPASSWORD: 'p',
        PGDATABASE: 'd',
        PGPORT: '6000',
        PGHOST: 'other',
        PGHOSTADDR: '10.0.0.1',
      },
    })
    expect(options).toMatchObject({ host: 'host', port: 6000, user: 'u', password: 'p', database: 'd' })
  })

  it('is the configuration when the PG* variables name no place', async () => {
    const target = await find({ env: { PGUSER: 'x', PGPASSWORD: 'p', PGPORT: '6000' }, config })
    expect(target.name).toBe('postgres://me@config:6000/db')
    expect(target.options.password).toBe('p')
  })

  it('is not a variable that is empty', async () => {
    const target = await find({
      env: { PG_PARTSMITH_URL: '', PG_PARTSMITH_URL_FILE: '', PGHOST: '' },
      config,
    })
    expect(target.source).toBe('connection.url in partsmith.config.yaml')
  })

  it('is missed with the ways to give it', async () => {
    expect(await refusal({})).toBe(
      'No database is given. Use --url, PG_PARTSMITH_URL, PG_PARTSMITH_URL_FILE, the PG* variables (PGHOST, PGDATABASE, ..) or connection.url in the configuration.',
    )
  })

  it('is refused when its file cannot be read or is empty', async () => {
    expect(await refusal({ env: { PG_PARTSMITH_URL_FILE: '/nonexistent/url' } })).toBe(
      'PG_PARTSMITH_URL_FILE names /nonexistent/url, which cannot be read. Name a file that this user may read.',
    )
    const empty = await file('empty', '\n')
    expect(await refusal({ env: { PG_PARTSMITH_URL_FILE: empty } })).toContain('it is empty')
  })
})

describe('a URL', () => {
  it('is taken apart into what the driver needs', async () => {
    const { options, tls, secrets } = await find({
      url: 'postgresql://me%40corp:p%3Aw@db.example:6543/my%20db?application_name=nightly&connect_timeout=3&options=-c%20work_mem%3D64MB&keepalives_idle=5&sslmode=disable',
    })
    expect(options).toEqual({
      host: 'db.example',
      port: 6543,
      user: 'me@corp',
      password: 'p:w',
      database: 'my db',
      options: '-c work_mem=64MB',
      application_name: 'nightly',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      sslnegotiation: 'postgres',
      enableChannelBinding: true,
    })
    expect(tls).toEqual([false])
    expect(secrets).toEqual(['p:w'])
  })

  it('has defaults for the rest', async () => {
    const { options, name } = await find({ url: 'postgres://me@host' })
    expect(name).toBe('postgres://me@host:5432/me')
    expect(options).toMatchObject({ database: 'me', application_name: 'pg-partsmith', keepAlive: true })
    expect(options.connectionTimeoutMillis).toBe(10_000)
  })

  it.each([
    ['postgres://me:p@ss#w0rd@host/db', 'p@ss#w0rd'],
    ['postgres://me:a:b@host/db', 'a:b'],
    ['postgres://me:%2F%3f%25@host/db', '/?%'],
    ['postgres://me:@host/db', undefined],
  ])('finds the password of %s', async (url, password) => {
    const { options } = await find({ url })
    expect([options.host, options.password]).toEqual(['host', password])
  })

  it.each([
    ['postgres://me@[::1]:6000/db', 'postgres://me@[::1]:6000/db', '::1'],
    ['postgres://me@%2Frun%2Fpg/db', 'postgres://me@/db?host=/run/pg', '/run/pg'],
    ['postgres://me@/db?host=/run/pg&port=6000', 'postgres://me@/db?host=/run/pg&port=6000', '/run/pg'],
    ['postgres://me@host/a%2Fb', 'postgres://me@host:5432/a%2Fb', 'host'],
    ['postgres:///db?user=me&host=h&port=1', 'postgres://me@h:1/db', 'h'],
    ['postgres://me@name/db?hostaddr=10.0.0.1', 'postgres://me@name:5432/db', '10.0.0.1'],
  ])('%s is shown as %s', async (url, name, host) => {
    const target = await find({ url })
    expect([target.name, target.options.host]).toEqual([name, host])
  })

  const secret = 'hunter2secret'

  it.each([
    ['', '--url: it is empty. Give a URL such as postgres://user@host:5432/name.'],
    [`host=h password=${secret}`, '--url: it is not a URL. Give one such as postgres://user@host:5432/name.'],
    [
      `mysql://me:${secret}@h/db`,
      '--url: the URL begins with mysql:// and has to begin with postgres:// or postgresql://.',
    ],
    [`postgres://me:${secret}%zz@h/db`, '--url: the URL has a % that does not begin an encoded character.'],
    [
      `postgres://me:${secret}/x@h/db`,
      '--url: the URL has no number after the colon of its host. Characters such as',
    ],
    [
      `postgres://me:${secret}?x@h/db`,
      '--url: the URL has no number after the colon of its host. Characters such as',
    ],
    [
      `postgres://me:p@ss/${secret}@h/db`,
      '--url: there is an @ or a / in the name of the database. Percent-encode it',
    ],
    [
      `postgres://me:123/${secret}@h/db`,
      '--url: there is an @ or a / in the name of the database. Percent-encode it',
    ],
    [
      `postgres://me:123?${secret}@h/db`,
      '--url: the URL has a parameter (not shown) that is not known here.',
    ],
    ['postgres://me@h:port/db', '--url: the URL has no number after the colon of its host.'],
    ['postgres://me@h:0/db', 'port of the connection has to be a whole number from 1 to 65535.'],
    ['postgres://me@h:65536/db', 'port of the connection has to be a whole number from 1 to 65535.'],
    ['postgres://me@a,b/db', '--url: several hosts are given and one is needed: the primary.'],
    [
      'postgres://me@h/db?sslmod=require',
      '--url: the URL has a parameter sslmod that is not known here. Remove it, or correct it to one of host,',
    ],
    [
      `postgres://me@h/db?p%20${secret}=1`,
      '--url: the URL has a parameter (not shown) that is not known here.',
    ],
    ['postgres://me@h/db?sslmode=disable&sslmode=require', '--url: the URL gives sslmode twice.'],
    ['postgres://me@h/db?connect_timeout=soon', 'connect_timeout of the connection has to be a whole number'],
    [
      'postgres://me@h/db?sslmode=on',
      'sslmode is "on" and has to be disable, allow, prefer, require, verify-ca or verify-full.',
    ],
    [
      'postgres://me@h/db?sslmode=verify-full',
      'sslmode=verify-full needs a root certificate to verify the server with. Add sslrootcert=FILE,',
    ],
    [
      'postgres://me@h/db?sslmode=require&sslrootcert=system',
      'sslrootcert=system needs sslmode=verify-full, and sslmode is require:',
    ],
    [
      'postgres://me@h/db?sslrootcert=/nonexistent/root.crt',
      'sslrootcert is /nonexistent/root.crt, which cannot be read.',
    ],
    [
      'postgres://me@h/db?sslnegotiation=direct',
      'sslnegotiation=direct needs sslmode=require or stronger, and sslmode is prefer.',
    ],
    ['postgres://me@h/db?sslnegotiation=fast', 'sslnegotiation has to be postgres or direct.'],
    [
      'postgres://me@h/db?ssl_min_protocol_version=SSLv3',
      'ssl_min_protocol_version is "SSLv3" and has to be one of TLSv1,',
    ],
    ['postgres://me@h/db?channel_binding=maybe', 'channel_binding has to be disable, prefer or require.'],
  ])('%s is refused with a sentence', async (url, sentence) => {
    const message = await refusal({ url })
    expect(message.slice(0, sentence.length)).toBe(sentence)
    expect(message).not.toContain(secret)
  })
})

describe('a service file', () => {
  it('gives the parameters of its section', async () => {
    const services = await file(
      'services.conf',
      '# ours\n[other]\nhost=wrong\n[mine]\nhost = db.example\nport=6000\n dbname=a=b\nuser=me\n[last]\nhost=wrong\n',
    )
    const env = { PGSERVICEFILE: services, PGSERVICE: 'mine', PGHOST: 'ignored' }
    expect((await find({ env })).name).toBe('postgres://me@db.example:6000/a%3Db')
    expect(
      (await find({ url: 'postgres://you@/?service=mine', env: { PGSERVICEFILE: services } })).name,
    ).toBe('postgres://you@db.example:6000/a%3Db')
    expect(await refusal({ env: { ...env, PGSERVICE: 'none' } })).toBe(
      `There is no service [none] in ${services}.`,
    )
    expect(await refusal({ env: { PGSERVICE: 'mine' } })).toContain(
      '/nonexistent/.pg_service.conf, which cannot be read',
    )
  })
})

describe('a password file', () => {
  const lines = [
    '# comment',
    'h:5432:db:other:wrong',
    String.raw`h:5432:*:me:a\:b\\c`,
    '*:*:*:*:last',
    '',
  ].join('\n')

  it('gives the password of the first line that fits', async () => {
    const passfile = await file('pgpass', lines)
    const password = async (url: string): Promise<unknown> =>
      (await find({ url, env: { PGPASSFILE: passfile } })).options.password
    expect(await password('postgres://me@h/db')).toBe(String.raw`a:b\c`)
    expect(await password('postgres://you@h/db')).toBe('last')
    expect(await password('postgres://me:own@h/db')).toBe('own')
  })

  it('is looked for in the home directory, where sockets are called localhost', async () => {
    await file('.pgpass', 'localhost:5432:db:me:socket\n')
    const target = await find({ url: 'postgres://me@/db?host=/run/pg', env: { HOME: directory } })
    expect(target.options.password).toBe('socket')
    expect(target.database).toEqual({ name: 'db', host: '/run/pg', port: 5432, user: 'me' })
  })

  it('is not used when others may read it', async () => {
    const passfile = await file('open-pgpass', lines)
    await chmod(passfile, 0o644)
    const target = await find({ url: 'postgres://me@h/db', env: { PGPASSFILE: passfile } })
    expect(target.options.password).toBeUndefined()
    expect(target.passwordNote).toBe(`${passfile} was not used, because others may read it (chmod 600)`)
  })
})

describe('the kinds of TLS', () => {
  it.each([
    ['disable', [false]],
    ['allow', [false, { rejectUnauthorized: false }]],
    ['prefer', [{ rejectUnauthorized: false }, false]],
    ['require', [{ rejectUnauthorized: false }]],
    ['no-verify', [{ rejectUnauthorized: false }]],
  ])('of sslmode=%s are what libpq does', async (mode, choices) => {
    const { tls } = await find({ url: `postgres://me@h/db?sslmode=${mode}` })
    expect(tls).toMatchObject(choices)
    expect(tls).toHaveLength(choices.length)
  })

  it('are prefer without a word, verify-full with the system list, and none on a socket', async () => {
    expect((await find({ url: 'postgres://me@h/db' })).tls).toHaveLength(2)
    expect((await find({ url: 'postgres://me@h/db?sslrootcert=system' })).tls).toEqual([
      { rejectUnauthorized: true },
    ])
    expect((await find({ url: 'postgres://me@/db?host=/run&sslmode=require' })).tls).toEqual([false])
    expect((await find({ url: 'postgres://me@h/db?ssl=true' })).tls).toMatchObject([
      { rejectUnauthorized: false },
    ])
    const env = { PGSSLMODE: 'require' }
    expect((await find({ url: 'postgres://me@h/db', env })).tls).toHaveLength(1)
  })

  it('take versions and the name behind an address', async () => {
    const url = 'postgres://me@name/db?hostaddr=10.0.0.1&sslmode=require&ssl_min_protocol_version=tlsv1.3'
    expect((await find({ url })).tls).toMatchObject([
      { minVersion: 'TLSv1.3', servername: 'name', host: 'name' },
    ])
  })
})

/** Whether the connection that was settled on is encrypted, as the server sees it. */
async function encryption(url: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const options = await reachServer(await find({ url, env }))
  const client = new Client(options)
  await client.connect()
  try {
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    return rows[0]?.ssl
  } finally {
    await client.end()
  }
}

async function failure(url: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const target = await find({ url, env })
  const error: unknown = await reachServer(target).catch((thrown: unknown) => thrown)
  if (error instanceof ConnectionFailedError) return error.message
  throw new Error('This connection was expected to fail.', { cause: error })
}

describe('a server with TLS', () => {
  const authority = new CertificateAuthority('Partsmith test authority')
  const stranger = new CertificateAuthority('Somebody else')
  const certificate = authority.issue({ commonName: 'db', hosts: ['localhost'] })
  const ofClient = authority.issue({ commonName: 'certified' })
  let server: EmbeddedServer
  let base = ''
  let root = ''
  let wrongRoot = ''

  beforeAll(async () => {
    root = await file('root.crt', authority.certificate)
    wrongRoot = await file('wrong.crt', stranger.certificate)
    const identity = serverIdentity()
    const settings = {
      ssl: 'on',
      ssl_cert_file: await file('server.crt', certificate.certificate),
      ssl_key_file: await file('server.key', certificate.key),
      ssl_ca_file: await file('clients.crt', authority.certificate),
      hba_file: await file(
        'hba.conf',
        [
          'hostssl   all encrypted 127.0.0.1/32 trust',
          'hostnossl all plain     127.0.0.1/32 trust',
          'hostssl   all certified 127.0.0.1/32 cert',
          'host      all secretive 127.0.0.1/32 scram-sha-256',
          'host      all postgres  127.0.0.1/32 trust',
        ].join('\n'),
      ),
    }
    if (identity !== undefined) {
      for (const name of ['server.crt', 'server.key', 'clients.crt', 'hba.conf', '.']) {
        await chown(join(directory, name), identity.uid, identity.gid)
      }
    }
    server = await startEmbeddedServer({ major: 18, settings })
    base = `localhost:${server.port}/postgres`
    const client = new Client({ connectionString: server.url })
    await client.connect()
    await client.query(`CREATE ROLE encrypted LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE certified LOGIN;
      CREATE ROLE secretive LOGIN PASSWORD 'correct horse'`)
    await client.end()
  })

  afterAll(async () => {
    await server.stop()
  })

  it('is used with and without encryption as sslmode says', async () => {
    const modes = ['disable', 'allow', 'prefer', 'require', 'no-verify']
    const seen = []
    for (const mode of modes)
      seen.push([mode, await encryption(`postgres://postgres@${base}?sslmode=${mode}`)])
    expect(Object.fromEntries(seen)).toEqual({
      disable: false,
      allow: false,
      prefer: true,
      require: true,
      'no-verify': true,
    })
    expect(await encryption(`postgres://postgres@${base}`)).toBe(true)
    expect(await encryption(`postgres://postgres@${base}`, { PGSSLMODE: 'disable' })).toBe(false)
  })

  it('is taken the other way by prefer and allow when pg_hba.conf wants it so', async () => {
    expect(await encryption(`postgres://plain@${base}?sslmode=prefer`)).toBe(false)
    expect(await encryption(`postgres://encrypted@${base}?sslmode=allow`)).toBe(true)
    expect(await failure(`postgres://plain@${base}?sslmode=require`)).toMatch(
      /the server refused the login \(no pg_hba\.conf entry/,
    )
    expect(await failure(`postgres://encrypted@${base}?sslmode=disable`)).toMatch(/no encryption/)
  })

  it('is verified by verify-ca and verify-full, and by require as soon as there is a root certificate', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      expect(await encryption(`postgres://postgres@${base}?sslmode=${mode}&sslrootcert=${root}`)).toBe(true)
      expect(await failure(`postgres://postgres@${base}?sslmode=${mode}&sslrootcert=${wrongRoot}`)).toMatch(
        /its certificate cannot be verified \(.*\)\. Name the certificate of its authority with sslrootcert\./,
      )
    }
  })

  it('has to have the name that was asked for under verify-full alone', async () => {
    const byAddress = `postgres://postgres@127.0.0.1:${server.port}/postgres?sslrootcert=${root}`
    expect(await encryption(`${byAddress}&sslmode=verify-ca`)).toBe(true)
    expect(await failure(`${byAddress}&sslmode=verify-full`)).toMatch(/its certificate is for another host/)
    const named = `postgres://postgres@localhost:${server.port}/postgres?hostaddr=127.0.0.1&sslmode=verify-full`
    expect(await encryption(`${named}&sslrootcert=${root}`)).toBe(true)
  })

  it('is not trusted by sslrootcert=system', async () => {
    expect(await failure(`postgres://postgres@${base}?sslrootcert=system`)).toMatch(/cannot be verified/)
  })

  it('finds root and client certificates in ~/.postgresql', async () => {
    const home = await mkdtemp(join(directory, 'home-'))
    await mkdir(join(home, '.postgresql'))
    await writeFile(join(home, '.postgresql', 'root.crt'), authority.certificate)
    await writeFile(join(home, '.postgresql', 'postgresql.crt'), ofClient.certificate)
    const url = `postgres://certified@${base}?sslmode=verify-full`
    await expect(find({ url, env: { HOME: home } })).rejects.toThrow('without its key. Add sslkey=FILE.')
    await writeFile(join(home, '.postgresql', 'postgresql.key'), ofClient.key)
    expect(await encryption(url, { HOME: home })).toBe(true)
    await writeFile(join(home, '.postgresql', 'root.crt'), stranger.certificate)
    expect(await failure(`postgres://postgres@${base}?sslmode=require`, { HOME: home })).toMatch(
      /cannot be verified/,
    )
  })

  it('takes a client certificate that is named', async () => {
    const cert = await file('client.crt', ofClient.certificate)
    const key = await file('client.key', ofClient.key)
    const url = `postgres://certified@${base}?sslmode=require`
    expect(await encryption(`${url}&sslcert=${cert}&sslkey=${key}`)).toBe(true)
    expect(await failure(url)).toMatch(/the server refused the login/)
  })

  it('can be greeted with TLS at once', async () => {
    const url = `postgres://postgres@${base}?sslmode=require&sslnegotiation=direct`
    expect(await encryption(url)).toBe(true)
  })

  it('is reached through a socket of this machine, without TLS', async () => {
    // The embedded server opens none, so one is led to its port.
    const socket = createServer((near) => {
      const far = connect(server.port, '127.0.0.1')
      near.pipe(far).pipe(near)
    })
    await new Promise<void>((resolve) => {
      socket.listen(join(directory, '.s.PGSQL.6000'), resolve)
    })
    try {
      const url = `postgres://postgres@/postgres?host=${directory}&port=6000&sslmode=verify-full`
      expect(await encryption(url)).toBe(false)
    } finally {
      socket.close()
    }
  })

  it('gets application_name and options', async () => {
    const url = `postgres://postgres@${base}?options=-c%20work_mem%3D123kB`
    const client = new Client(await reachServer(await find({ url })))
    await client.connect()
    const { rows } = await client.query(
      `SELECT current_setting('application_name') AS name, current_setting('work_mem') AS work_mem`,
    )
    await client.end()
    expect(rows).toEqual([{ name: 'pg-partsmith', work_mem: '123kB' }])
  })

  it('checks passwords, and no sentence shows one', async () => {
    expect(await encryption(`postgres://secretive:correct%20horse@${base}`)).toBe(true)
    expect(await failure(`postgres://secretive:hunter2@${base}`)).toBe(
      `Cannot connect to postgres://secretive@${base}: the server refused the login (password authentication failed for user "secretive"). ` +
        'Check user and password, and pg_hba.conf of the server. (From --url.)',
    )
    expect(await failure(`postgres://secretive@${base}`)).toContain(
      'the server asks for a password and none was given. Put it in the URL, in PGPASSWORD or in ~/.pgpass.',
    )
  })

  it('says when there is no such database', async () => {
    expect(await failure(`postgres://postgres@localhost:${server.port}/nowhere`)).toContain(
      'database "nowhere" does not exist. Check the name of the database.',
    )
  })
})

/** A server that was started without certificates. */
function plainUrl(): string {
  return inject('testServers')[0]?.url ?? ''
}

describe('a server without TLS', () => {
  it('is used plainly by prefer and allow, and refused by require', async () => {
    expect(await encryption(plainUrl())).toBe(false)
    expect(await encryption(`${plainUrl()}?sslmode=allow`)).toBe(false)
    expect(await failure(`${plainUrl()}?sslmode=require`)).toMatch(
      /: the server does not offer TLS\. Turn TLS on there, or use sslmode=disable/,
    )
  })
})

describe('a server that is not there', () => {
  it('is told apart by what went wrong', async () => {
    expect(await failure('postgres://me@no-such-host.invalid/db')).toMatch(/its host name is not known/)
    expect(await failure('postgres://me@localhost:1/db')).toBe(
      'Cannot connect to postgres://me@localhost:1/db: nothing listens there. Check host and port, and that the server runs and accepts TCP connections. (From --url.)',
    )
    expect(await failure(`postgres://me@/db?host=${directory}&port=1`)).toMatch(/its socket cannot be opened/)
  })

  it('is not waited for longer than connect_timeout', async () => {
    const silent = createServer(() => undefined)
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => {
        const address = silent.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    try {
      expect(await failure(`postgres://me@127.0.0.1:${port}/db?connect_timeout=1`)).toMatch(
        /it did not answer in time/,
      )
    } finally {
      silent.close()
    }
  })

  it('is told apart from a server of another kind', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => {
        const address = other.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    try {
      for (const mode of ['disable', 'require', 'prefer']) {
        expect(await failure(`postgres://me@127.0.0.1:${port}/db?sslmode=${mode}`)).toMatch(
          /Check that a PostgreSQL server listens there/,
        )
      }
    } finally {
      other.close()
    }
  })
})
