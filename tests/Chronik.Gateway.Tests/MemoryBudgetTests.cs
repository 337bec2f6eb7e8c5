using Chronik.Gateway.Network;

namespace Chronik.Gateway.Tests;

public sealed class MemoryBudgetTests
{
    [Fact]
    public async Task Those_who_wait_are_served_in_their_order_when_room_comes_back()
    {
        var budget = new MemoryBudget(limit: 150, reserve: 50);
        Assert.True(budget.TryTake(100));
        Task<MemoryLease> reserve = budget.TakeAsync(10, 50, default).AsTask();
        Assert.Equal(new MemoryLease(50, IsReserve: true), await reserve);
        Task<MemoryLease> first = budget.TakeAsync(60, 60, default).AsTask();
        Task<MemoryLease> second = budget.TakeAsync(30, 30, default).AsTask();
        Assert.True(budget.IsShort);
        Assert.False(budget.TryTake(1));
        budget.Give(new MemoryLease(30, IsReserve: false));
        Assert.False(first.IsCompleted || second.IsCompleted);
        budget.Give(new MemoryLease(40, IsReserve: false));
        Assert.Equal(new MemoryLease(60, IsReserve: false), await first);
        budget.Give(await reserve);
        Assert.Equal(new MemoryLease(30, IsReserve: true), await second);
        Assert.Equal(120, budget.InUse);
        Assert.False(budget.IsShort);
    }

    [Fact]
    public async Task Whoever_gives_up_takes_nothing_and_lets_the_next_one_in()
    {
        var budget = new MemoryBudget(limit: 150, reserve: 50);
        Assert.True(budget.TryTake(60));
        MemoryLease reserve = await budget.TakeAsync(100, 50, default);
        using var cancellation = new CancellationTokenSource();
        Task<MemoryLease> large = budget.TakeAsync(90, 90, cancellation.Token).AsTask();
        Task<MemoryLease> small = budget.TakeAsync(40, 40, default).AsTask();
        Assert.False(small.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        Assert.Equal(new MemoryLease(40, IsReserve: false), await small);
        budget.Give(reserve);
        budget.Give(await small);
        budget.Give(new MemoryLease(60, IsReserve: false));
        Assert.Equal(0, budget.InUse);
    }
}
