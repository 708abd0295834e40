-- What counted for campaigns: an event or a goal, each once for a campaign, and for the last message that came before it.
CREATE TABLE conversions (
    -- Made of what it is.
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    campaign TEXT NOT NULL,
    message TEXT NOT NULL,
    -- event, goal
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- NULL of a goal, and once the person was erased.
    event_id TEXT NULL,
    -- In millionths.
    value INTEGER NULL,
    -- When it happened, and when it was taken up.
    at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX conversions_workspace_campaign_message_value ON conversions (workspace, campaign, message, value);
CREATE INDEX conversions_message ON conversions (message);

-- That a person has opened a message, or followed a link in it: when first. To be counted.
CREATE TABLE reactions (
    message TEXT NOT NULL,
    -- opened, clicked
    reaction TEXT NOT NULL,
    workspace TEXT NOT NULL,
    campaign TEXT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message, reaction)
) WITHOUT ROWID;
CREATE INDEX reactions_workspace_campaign_reaction ON reactions (workspace, campaign, reaction);
INSERT INTO reactions (message, reaction, workspace, campaign, at)
    SELECT o.message, o.outcome, m.workspace, m.campaign, MIN(o.at) FROM outcomes o JOIN messages m ON m.id = o.message
    WHERE o.outcome IN ('opened', 'clicked') AND o.kind = 'person' GROUP BY o.message, o.outcome, m.workspace, m.campaign;
