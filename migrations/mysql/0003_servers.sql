-- Which servers are alive, and so among how many the buckets are shared. Apart from `servers`, the fence, which no heartbeat touches.
-- Written only by those who hold the locks on `leases`.
CREATE TABLE heartbeats (
    incarnation VARCHAR(64) NOT NULL PRIMARY KEY,
    -- By the database's clock.
    expires_at BIGINT NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
