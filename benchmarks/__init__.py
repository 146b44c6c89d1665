"""
Benchmarks: commands, run by hand from a checkout, that compare this relay with gun.js's and look for what
grows. Figures in C{docs/} are the ones that these print. They need Linux, C{taskset} and, for plots,
matplotlib; Node and gun.js come as for the interoperation tests.
"""
