-- What counted for campaigns: an event or a goal, each once for a campaign, and for the last message that came before it.
CREATE TABLE conversions (
    -- Made of what it is.
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    campaign VARCHAR(255) NOT NULL,
    message VARCHAR(64) NOT NULL,
    -- event, goal
    kind VARCHAR(16) NOT NULL,
    name VARCHAR(255) NOT NULL,
    -- NULL of a goal, and once the person was erased.
    event_id VARCHAR(255) NULL,
    -- In millionths.
    value BIGINT NULL,
    -- When it happened, and when it was taken up.
    at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    KEY (workspace, campaign, message, value),
    KEY (message)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

-- That a person has opened a message, or followed a link in it: when first. To be counted.
CREATE TABLE reactions (
    message VARCHAR(64) NOT NULL,
    -- opened, clicked
    reaction VARCHAR(16) NOT NULL,
    workspace VARCHAR(64) NOT NULL,
    campaign VARCHAR(255) NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (message, reaction),
    KEY (workspace, campaign, reaction)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
INSERT INTO reactions (message, reaction, workspace, campaign, at)
    SELECT o.message, o.outcome, m.workspace, m.campaign, MIN(o.at) FROM outcomes o JOIN messages m ON m.id = o.message
    WHERE o.outcome IN ('opened', 'clicked') AND o.kind = 'person' GROUP BY o.message, o.outcome, m.workspace, m.campaign;
