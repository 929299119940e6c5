/**
 * Whether a role may act as another one, in SQL, by their OIDs; for sessions with a `search_path` of ours.
 *
 * Before version 16 every MEMBER may SET ROLE. From 16 on that word also counts a membership that gives neither the
 * rights nor SET ROLE, so each of these is asked for; USAGE alone would leave out who has to SET ROLE first. A superuser
 * may always.
 */
export function actsAs(role: string, owner: string): string {
  return `pg_has_role(${role}, ${owner}, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'USAGE, SET' ELSE 'MEMBER' END)`
}
