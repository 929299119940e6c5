/** X.509 certificates for tests, made on the spot: no key in the repository, no program needed. */

import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto'

export interface Certificate {
  /** PEM */
  readonly certificate: string
  /** PEM */
  readonly key: string
}

interface Subject {
  readonly commonName: string
  /** DNS names that the certificate is for. */
  readonly hosts?: readonly string[]
  /** Whole days from now; the default is ten. */
  readonly validForDays?: number
}

/** An authority that signs certificates, and its own certificate (what `sslrootcert` names). */
export class CertificateAuthority {
  readonly certificate: string
  readonly #name: Buffer
  readonly #key: KeyObject

  constructor(commonName: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    this.#name = nameOf(commonName)
    this.#key = privateKey
    this.certificate = this.#sign({ commonName, publicKey, extensions: [basicConstraints] })
  }

  issue({ commonName, hosts = [], validForDays = 10 }: Subject): Certificate {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const extensions = hosts.length === 0 ? [] : [alternativeNames(hosts)]
    return {
      certificate: this.#sign({ commonName, publicKey, extensions, validForDays }),
      key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    }
  }

  #sign(about: {
    readonly commonName: string
    readonly publicKey: KeyObject
    readonly extensions: readonly Buffer[]
    readonly validForDays?: number
  }): string {
    const { commonName, publicKey, extensions, validForDays = 10 } = about
    const day = 24 * 60 * 60 * 1_000
    const end = Date.now() + validForDays * day
    const body = sequence(
      node(0xa0, integer(2)),
      integer(Math.floor(Math.random() * 2 ** 31)),
      ecdsaWithSha256,
      this.#name,
      sequence(time(end - 100 * day), time(end)),
      nameOf(commonName),
      publicKey.export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [node(0xa3, sequence(...extensions))]),
    )
    const signature = sign('sha256', body, this.#key)
    const der = sequence(body, ecdsaWithSha256, node(0x03, Buffer.concat([Buffer.from([0]), signature])))
    // Without an empty line at the end, which OpenSSL does not take.
    const lines = der.toString('base64').match(/.{1,64}/g) ?? []
    return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
  }
}

/** One value of DER: a tag, the length, the content. */
function node(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return node(0x30, ...contents)
}

function integer(value: number): Buffer {
  const digits = value.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  // A leading zero keeps a first bit that is set from meaning a negative number.
  return node(0x02, (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

function time(at: number): Buffer {
  return node(0x18, Buffer.from(`${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`))
}

function oid(hex: string): Buffer {
  return node(0x06, Buffer.from(hex, 'hex'))
}

function nameOf(commonName: string): Buffer {
  return sequence(node(0x31, sequence(oid('550403'), node(0x0c, Buffer.from(commonName)))))
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = sequence(...hosts.map((host) => node(0x82, Buffer.from(host))))
  return sequence(oid('551d11'), node(0x04, names))
}

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))

const basicConstraints = sequence(
  oid('551d13'),
  node(0x01, Buffer.from([0xff])),
  node(0x04, sequence(node(0x01, Buffer.from([0xff])))),
)
