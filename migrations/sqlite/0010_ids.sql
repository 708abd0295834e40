-- An operation of a flow decides one message, whatever its id.
DROP INDEX messages_enrollment;
CREATE UNIQUE INDEX messages_enrollment_op ON messages (enrollment, op) WHERE enrollment IS NOT NULL;
