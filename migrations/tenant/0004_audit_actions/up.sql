-- The audit also tells of events that change no row: a login, a token used twice, an operator who acts as a member.
alter table audit_events drop constraint audit_events_action_check;
alter table audit_events add constraint audit_events_action_check check (action ~ '^[a-z][a-z_]{0,39}$');
