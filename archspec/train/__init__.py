"""The trainer: fits any network to any set of pictures; with proof the only package with torch.

Read it in the order of the data. `recipe` says what may be wished for. `data` finds pictures and
makes them pixels; `feeding` draws what an epoch shows and makes batches of it. `learner` takes one
step, `fit` all of them, `world` and `spread` with others. `checkpoint` keeps what came of it,
`assemble` and `run` put a whole run together, `transfer` begins it from other weights, and `seeing`
looks at what was learnt.
"""
