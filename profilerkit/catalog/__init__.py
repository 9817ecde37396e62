"""Hold the journal of a store as rows, for lists: disposable, made anew from the journal at any time."""
