import type { Pool, PoolClient } from 'pg';

/**
 * Does it in a transaction on a connection of its own: committed when `act` resolves, rolled back
 * when it rejects. Each statement sees what others have committed before it began.
 */
export async function inTransaction<T>(
  pool: Pool,
  act: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const done = await act(client);
    await client.query('COMMIT');
    client.release();
    return done;
  } catch (error) {
    // Closing the connection rolls back, whatever state it is in.
    client.release(true);
    throw error;
  }
}
