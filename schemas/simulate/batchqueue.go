package simulate

// BatchQueue simulates n customers of Inoue's batch-service queue
// (arXiv:1912.06322) and returns their mean time in the system: they arrive as a
// Poisson process of rate lambda, and a server that is free takes all who wait
// as one batch, which takes alpha·b + tau0 for b customers.
//
// It is the engine of [Run] stripped to one token a request and no limit on
// slots, and has a bound known to be tight: with rho = lambda·alpha,
//
//	phi1 = 1.5·tau0/(1-rho) + alpha/2·(rho+2)/(1-rho²)
//
// The tests hold both simulators to it. Units of time are the caller's.
func BatchQueue(seed uint64, alpha, tau0, lambda float64, n int) (meanLatency float64) {
	rng := stream(seed, "batch queue")
	var total, free float64 // free: when the server ends its batch
	next := rng.ExpFloat64() / lambda
	for served := 0; served < n; {
		// A batch begins when the server is free and someone waits, and takes all
		// who have come by then.
		begin := max(free, next)
		size, waited := 0, 0.0
		for next <= begin && served+size < n {
			waited += begin - next
			size++
			next += rng.ExpFloat64() / lambda
		}
		service := float64(alpha*float64(size)) + tau0
		total += waited + float64(service*float64(size))
		free = begin + service
		served += size
	}
	return total / float64(n)
}
