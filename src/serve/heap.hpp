#pragma once

namespace gyre::serve {

/// A thread for every connection would get a heap for every few of them, each with memory that no other uses.
void share_heaps();

/// Gives memory that is not used back to the system.
void trim_heap();

}  // namespace gyre::serve
