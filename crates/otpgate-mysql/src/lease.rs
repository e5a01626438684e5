use std::ops::{Deref, DerefMut};

use sqlx::mysql::{MySql, MySqlConnection, MySqlPool};
use sqlx::pool::PoolConnection;

/// A connection that goes back to the pool only when its call has come to an end.
///
/// A call that is given up may leave half an answer on its connection, and the driver keeps no account of one that it waited for
/// while it prepared the statement: such a connection is not asked again. And sqlx asks one that comes back for a sign of life,
/// without a limit of time: one whose server has gone silent would keep its place in the pool. Here it is closed, and the pool
/// makes another.
pub(crate) struct Lease {
    connection: PoolConnection<MySql>,
    ended: bool,
}

impl Lease {
    pub(crate) async fn take(pool: &MySqlPool) -> Result<Self, sqlx::Error> {
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
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.connection
    }
}
