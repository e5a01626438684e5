use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, Postgres};

/// A connection that goes back to the pool only when its call has come to an end.
///
/// sqlx gives one back in any state and asks it for a sign of life, without a limit of time: one whose server has gone silent
/// would keep its place in the pool for as long as the network stack waits, and calls that core has given up would soon hold all
/// places. Here it is closed, and the pool makes another.
pub(crate) struct Lease {
    connection: PoolConnection<Postgres>,
    ended: bool,
}

impl Lease {
    pub(crate) async fn take(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: pool.acquire().await?, ended: false })
    }

    /// Says that the call has come to an end, an answer or an error of the server's.
    pub(crate) fn end<T>(mut self, answer: &Result<T, sqlx::Error>) {
        self.ended = matches!(answer, Ok(_) | Err(sqlx::Error::Database(_)));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
