/**
 * Settings of a transaction that stands open while nothing is sent, so that the server soon finds out that its client is
 * gone with the network. That is after a minute; otherwise it
 * would keep the transaction for hours: two, and then eleven minutes, on Linux.
 *
 * Any role may set them. On a Unix socket, and where a platform has none, the server leaves them alone.
 */
export const noticeLostClient = `pg_catalog.set_config('tcp_keepalives_idle', '30', true) AS keepalives_idle,
       pg_catalog.set_config('tcp_keepalives_interval', '10', true) AS keepalives_interval,
       pg_catalog.set_config('tcp_keepalives_count', '3', true) AS keepalives_count,
       pg_catalog.set_config('tcp_user_timeout', '60000', true) AS user_timeout`
