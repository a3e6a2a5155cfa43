/* A test-and-set lock. Every wait for it has a bound: there is no unbounded form. Not for NMI or
 * #MC handlers (what they interrupted may hold it), nor for the exit path. Any CPU. */
#pragma once

#include "base/hw.h"

struct spinlock {
    bool held;
};

static inline bool spin_try_lock(struct spinlock *lock)
{
    return !__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE);
}

/* Takes the lock, looking at most `attempts` times. False where it stayed held. */
static inline bool spin_lock_bounded(struct spinlock *lock, uint64_t attempts)
{
    for (; attempts != 0; attempts--) {
        if (!__atomic_load_n(&lock->held, __ATOMIC_RELAXED) && spin_try_lock(lock))
            return true;
        hw_pause();
    }
    return false;
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
}
