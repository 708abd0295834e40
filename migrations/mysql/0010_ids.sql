-- An operation of a flow decides one message, whatever its id.
ALTER TABLE messages DROP KEY enrollment, ADD UNIQUE KEY (enrollment, op);
