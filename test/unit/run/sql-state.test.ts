import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ConnectionFailedError, PartitionError } from '../../../src/errors.ts'
import { describeError, hasSqlState, isConnectionFailure, sqlStateOf } from '../../../src/run/sql-state.ts'

const withCode = (code: unknown, more: object = {}): Error =>
  Object.assign(new Error('message'), { code }, more)

describe('sqlStateOf', () => {
  it.each([
    ['pg, postgres.js and PGlite', withCode('55P03')],
    ['Bun', withCode('ERR_POSTGRES_SERVER_ERROR', { errno: '55P03' })],
    ['a query builder that wraps', new Error('Failed query', { cause: withCode('55P03') })],
    ['typeorm', Object.assign(new Error('message'), { driverError: withCode('55P03') })],
    ['an error of the library', new PartitionError('Sentence.', { cause: withCode('55P03') })],
  ])('reads the errors of %s', (_, error) => {
    expect(sqlStateOf(error)).toBe('55P03')
    expect(hasSqlState(error, 'lockNotAvailable')).toBe(true)
    expect(hasSqlState(error, 'deadlockDetected', 'queryCanceled')).toBe(false)
  })

  it.each([
    ['no error', undefined],
    ['a text', '55P03'],
    ['an error without a code', new Error('55P03')],
    ['a code of another kind', withCode(55)],
    ['a code of the library', new PartitionError('Sentence.')],
    ['a system error of five letters', withCode('EPIPE', { errno: -32, syscall: 'write' })],
    ['the same one made by hand', withCode('EPIPE')],
    ['a system error with a digit', withCode('E2BIG', { errno: -7, syscall: 'spawn' })],
    ['a longer code', withCode('ECONNRESET')],
  ])('finds none in %s', (_, error) => {
    expect(sqlStateOf(error)).toBeUndefined()
  })

  it('ends with causes that go in a circle', () => {
    const one = new Error('one')
    one.cause = new Error('two', { cause: one })
    expect(sqlStateOf(one)).toBeUndefined()
  })
})

describe('isConnectionFailure', () => {
  it.each([
    '08006',
    '08P01',
    '28P01',
    '28000',
    '3D000',
    '53300',
    '57P01',
    '57P02',
    '57P03',
    '57P05',
    '25P03',
  ])('holds for SQLSTATE %s', (code) => {
    expect(isConnectionFailure(withCode(code))).toBe(true)
  })

  it.each(['57014', '55P03', '40P01', '42501', '25006', '25P02', '23514', '22012'])(
    'does not hold for SQLSTATE %s, as the session goes on',
    (code) => {
      expect(isConnectionFailure(withCode(code))).toBe(false)
    },
  )

  it.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'ETIMEDOUT',
    'ECONNRESET',
    'EPIPE',
    'CONNECTION_CLOSED',
    'CONNECT_TIMEOUT',
  ])('holds for the code %s', (code) => {
    expect(isConnectionFailure(withCode(code))).toBe(true)
    expect(isConnectionFailure(new Error('wrapped', { cause: withCode(code) }))).toBe(true)
  })

  it('holds for the error of the library, and not for its other errors', () => {
    expect(isConnectionFailure(new ConnectionFailedError('Sentence.'))).toBe(true)
    expect(isConnectionFailure(new PartitionError('Sentence.'))).toBe(false)
    expect(isConnectionFailure(new TypeError('x is not a function'))).toBe(false)
  })
})

describe('describeError', () => {
  it('says something of an error whose message is empty', async () => {
    const refused = await new Promise<unknown>((resolve) => {
      connect({ host: 'localhost', port: 1 }).once('error', resolve)
    })
    expect(describeError(refused)).toMatch(/ECONNREFUSED/)
    expect(describeError(new AggregateError([new Error('one'), new Error('two')]))).toBe('one; two')
    expect(describeError(Object.assign(new Error(''), { code: 'ETIMEDOUT' }))).toBe('ETIMEDOUT')
    expect(describeError(new Error(''))).toBe('Error')
  })

  it('takes anything that can be thrown', () => {
    expect(describeError('text')).toBe('text')
    expect(describeError(undefined)).toBe('undefined was thrown')
    expect(describeError({})).toBe('an error without a message')
  })
})
