/** Every ALTER TABLE of the database takes its time, with the locks of its transaction in hand. */
export const slowAlter = (ms: number): string => `
  CREATE FUNCTION be_slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(${ms / 1000}); END $$;
  CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION be_slow();`
