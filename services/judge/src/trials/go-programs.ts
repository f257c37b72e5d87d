/** Programs in Go, right and hostile. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const go = (name: string, source: string, rest: Omit<Trial, 'name' | 'source' | 'language'>): Trial => ({
  name,
  source,
  language: 'go',
  ...rest,
});
const main = (imports: readonly string[], ...statements: readonly string[]): string =>
  `package main\n\nimport (${imports.map((each) => `"${each}"`).join('; ')})\n\nfunc main() {\n\t${statements.join('\n\t')}\n}\n`;

export const goPrograms: readonly Trial[] = [
  go(
    'a sum over words, generics, goroutines, a large whole number',
    program`
      package main

      import (
      	"bufio"
      	"fmt"
      	"math/big"
      	"os"
      	"sort"
      	"strconv"
      	"sync"
      )

      type Number interface{ ~int | ~int64 }

      func sum[T Number](values []T) (total T) {
      	for _, value := range values {
      		total += value
      	}
      	return
      }

      func depth(n int) int {
      	if n == 0 {
      		return 0
      	}
      	return 1 + depth(n-1)
      }

      func main() {
      	scanner := bufio.NewScanner(os.Stdin)
      	scanner.Split(bufio.ScanWords)
      	values := []int64{}
      	for scanner.Scan() {
      		value, err := strconv.ParseInt(scanner.Text(), 10, 64)
      		if err != nil {
      			panic(err)
      		}
      		values = append(values, value)
      	}
      	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
      	var group sync.WaitGroup
      	results := make(chan int64, 8)
      	for range [8]int{} {
      		group.Add(1)
      		go func() { defer group.Done(); results <- sum(values) }()
      	}
      	group.Wait()
      	close(results)
      	var all int64
      	for result := range results {
      		all += result
      	}
      	fmt.Println(all, values[0], depth(100000), new(big.Int).Exp(big.NewInt(2), big.NewInt(100), nil))
      }
    `,
    {
      input: '3 1\n4000000000\n',
      expected: '32000000032 1 100000 1267650600228229401496703205376',
      verdict: Verdict.ACCEPTED,
    },
  ),
  go('a wrong answer', main(['fmt'], 'fmt.Println(2)'), { expected: '1', verdict: Verdict.WRONG_ANSWER }),
  go('an exit code', main(['os'], 'os.Exit(3)'), { verdict: Verdict.RUNTIME_ERROR }),
  go('a panic', main(['os'], 'println([]int{1}[len(os.Args)])'), { verdict: Verdict.RUNTIME_ERROR }),
  go('what does not compile', main([], 'var x int = "a"'), { verdict: Verdict.COMPILE_ERROR }),
  go('an endless loop', main([], 'for {', '}'), { verdict: Verdict.TIME_LIMIT, limit: ['cpu'] }),
  go(
    'a memory bomb',
    main(
      [],
      'all := [][]byte{}',
      'for { b := make([]byte, 1<<20); for i := range b { b[i] = 1 }; all = append(all, b) }',
    ),
    {
      verdict: Verdict.MEMORY_LIMIT,
      orVerdict: [Verdict.RUNTIME_ERROR],
    },
  ),
  go('endless output', main(['fmt', 'strings'], 'for { fmt.Println(strings.Repeat("x", 1000)) }'), {
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  }),
  go(
    'a file of the host, a program of the host, a socket',
    main(
      ['fmt', 'os', 'syscall'],
      'seen := []string{}',
      'if _, err := os.ReadFile("/etc/passwd"); err == nil { seen = append(seen, "file") }',
      'if _, err := os.Stat("/root"); err == nil { seen = append(seen, "home") }',
      'if _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err != syscall.EPERM { seen = append(seen, "socket") }',
      'if _, err := os.StartProcess("/bin/sh", []string{"sh"}, &os.ProcAttr{}); err == nil { seen = append(seen, "shell") }',
      'if os.WriteFile("/store/library/packages", nil, 0o644) == nil { seen = append(seen, "store") }',
      'fmt.Println(seen)',
    ),
    { expected: '[]', verdict: Verdict.ACCEPTED },
  ),
];
