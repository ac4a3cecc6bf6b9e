-- The first schema: customers, what they bought, what they owe, and the job queue.
-- Times are milliseconds since 1970; amounts are whole yen.

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE products (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price BIGINT NOT NULL
);

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    product_id TEXT NOT NULL REFERENCES products (id),
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE INDEX subscriptions_by_customer ON subscriptions (customer_id, started_at);

CREATE TABLE invoices (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    description TEXT NOT NULL,
    amount BIGINT NOT NULL,
    status TEXT NOT NULL,
    issued_at BIGINT NOT NULL
);
CREATE INDEX invoices_by_customer ON invoices (customer_id, issued_at);

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    product_id TEXT NOT NULL REFERENCES products (id),
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer_id, created_at);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX jobs_by_status ON jobs (status, created_at);

INSERT INTO products (id, name, description, price) VALUES
    ('sim-5gb', 'SIM 5 GB', 'Data SIM, 5 GB each month', 990),
    ('sim-20gb', 'SIM 20 GB', 'Voice and data SIM, 20 GB each month', 1980),
    ('fibre-1g', 'Fibre 1 Gbps', 'Fibre to the home with a rented router', 4980),
    ('fibre-10g', 'Fibre 10 Gbps', 'Fibre to the home for heavy use', 6480),
    ('vpn', 'VPN router', 'A router with a fixed address abroad', 2500);
